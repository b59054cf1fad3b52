// A SIP.js phone whose microphone is a tone. The driver calls the methods of `window.phone`.

import { Inviter, Registerer, RegistererState, SessionState, UserAgent, Web } from "/sip.js/index.js";

import { Line, loopbackOnly } from "/line.mjs";

/** Offers candidates on the loopback only. */
class LoopbackHandler extends Web.SessionDescriptionHandler {
  async getLocalSessionDescription() {
    const { type, sdp } = await super.getLocalSessionDescription();
    return { type, sdp: loopbackOnly(sdp) };
  }
}

class Phone {
  #line;
  #agent;
  #session;
  #ringing;

  /** Registers at the proxy; the microphone gives a sine, see Line. */
  async start({ server, user, domain, frequency, amplitude }) {
    this.#line = new Line({ frequency, amplitude });

    this.#ringing = Promise.withResolvers();
    this.#agent = new UserAgent({
      uri: UserAgent.makeURI(`sip:${user}@${domain}`),
      transportOptions: { server },
      contactName: user,
      logLevel: "debug",
      sessionDescriptionHandlerFactory: (session) =>
        new LoopbackHandler(
          session.userAgent.getLogger("sip.SessionDescriptionHandler"),
          async () => this.#line.microphone,
          { iceGatheringTimeout: 5000, peerConnectionConfiguration: { iceServers: [], rtcpMuxPolicy: "require" } },
        ),
      delegate: { onInvite: (invitation) => this.#ringing.resolve(invitation) },
    });
    await this.#agent.start();
    const registerer = new Registerer(this.#agent);
    const registered = reached(registerer, RegistererState.Registered);
    await registerer.register();
    await registered;
  }

  /** Calls, and returns when the callee has answered. */
  async call({ target }) {
    await this.#establish(new Inviter(this.#agent, UserAgent.makeURI(target)), (session) => session.invite());
  }

  /** Waits for a call and answers it. */
  async answer() {
    await this.#establish(await this.#ringing.promise, (session) => session.accept());
  }

  async #establish(session, begin) {
    this.#session = session;
    const established = reached(session, SessionState.Established);
    await begin(session);
    await established;
    await this.#line.listen(session.sessionDescriptionHandler.remoteMediaStream);
  }

  /** Holds the call or takes it back, by a re-INVITE; returns when that is answered. */
  async hold({ hold }) {
    await this.#reinvite({ hold });
  }

  /** Restarts ICE by a re-INVITE; returns when that is answered. */
  async restartIce() {
    await this.#reinvite({ offerOptions: { iceRestart: true } });
  }

  async #reinvite(options) {
    const answered = Promise.withResolvers();
    await this.#session.invite({
      sessionDescriptionHandlerOptions: options,
      requestDelegate: {
        onAccept: () => answered.resolve(),
        onReject: (response) => answered.reject(new Error(`refused: ${response.message.statusCode}`)),
      },
    });
    await answered.promise;
  }

  /** Listens for a while. */
  async record() {
    return this.#line.record();
  }

  /** Says something in place of the tone, see Line. */
  async say(speech) {
    await this.#line.say(speech);
  }

  /** Keeps all that is heard until endRecording. */
  async beginRecording() {
    await this.#line.beginRecording();
  }

  /** What was heard since beginRecording. */
  async endRecording() {
    return this.#line.endRecording();
  }

  /** Dials these keys, each for 100 ms (W3C webrtc, RTCDTMFSender); returns when all are sent. */
  async dial({ keys }) {
    const [sender] = this.#session.sessionDescriptionHandler.peerConnection.getSenders();
    const over = new Promise((done) => {
      sender.dtmf.ontonechange = ({ tone }) => tone === "" && done();
    });
    sender.dtmf.insertDTMF(keys, 100, 70);
    await over;
  }

  /** Everything that the peer connection tells: a list of RTCStats. */
  async stats() {
    const report = await this.#session.sessionDescriptionHandler.peerConnection.getStats();
    return [...report.values()];
  }

  /** Ends the call. */
  async hangUp() {
    const over = reached(this.#session, SessionState.Terminated);
    await this.#session.bye();
    await over;
  }

  /** Waits until the other side ends the call. */
  async awaitEnd() {
    await reached(this.#session, SessionState.Terminated);
  }
}

/** Waits until the state of a session or registerer is `state`; its end is a failure, unless waited for. */
function reached(subject, state) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const look = (now) => {
    if (now === state) {
      resolve();
    } else if (now === SessionState.Terminated) {
      reject(new Error(`${now} before ${state}`));
    }
  };
  subject.stateChange.addListener(look);
  look(subject.state);
  return promise;
}

window.phone = new Phone();
