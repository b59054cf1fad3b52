// A SIP.js phone whose microphone is a tone. The driver calls the methods of `window.phone`.

import { Inviter, Registerer, RegistererState, SessionState, UserAgent, Web } from "/sip.js/index.js";

const SAMPLE_RATE = 48000;
// The longest window that an AnalyserNode keeps: 0.7 s.
const WINDOW = 32768;
// Web Audio works in blocks of so many samples.
const RENDER_QUANTUM = 128;

/** Offers candidates on the loopback only: the test's traffic stays there, whatever else the machine has. */
class LoopbackHandler extends Web.SessionDescriptionHandler {
  async getLocalSessionDescription() {
    const { type, sdp } = await super.getLocalSessionDescription();
    const lines = sdp.split("\r\n");
    const kept = lines.filter((line) => !line.startsWith("a=candidate:") || line.includes(" 127.0.0.1 "));
    return { type, sdp: kept.join("\r\n") };
  }
}

class Phone {
  #audio;
  #microphone;
  #analyser;
  #agent;
  #session;
  #ringing;

  /** Registers at the proxy; the microphone gives a sine of `frequency` Hz and `amplitude`, where 1 is full scale. */
  async start({ server, user, domain, frequency, amplitude }) {
    this.#audio = new AudioContext({ sampleRate: SAMPLE_RATE });
    const tone = new OscillatorNode(this.#audio, { frequency });
    const level = new GainNode(this.#audio, { gain: amplitude });
    this.#microphone = new MediaStreamAudioDestinationNode(this.#audio, { channelCount: 1 });
    this.#analyser = new AnalyserNode(this.#audio, { fftSize: WINDOW });
    tone.connect(level).connect(this.#microphone);
    tone.start();

    this.#ringing = Promise.withResolvers();
    this.#agent = new UserAgent({
      uri: UserAgent.makeURI(`sip:${user}@${domain}`),
      transportOptions: { server },
      contactName: user,
      logLevel: "debug",
      sessionDescriptionHandlerFactory: (session) =>
        new LoopbackHandler(
          session.userAgent.getLogger("sip.SessionDescriptionHandler"),
          async () => this.#microphone.stream,
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
    await this.#listen();
  }

  async #listen() {
    const stream = this.#session.sessionDescriptionHandler.remoteMediaStream;
    // Chromium decodes what comes from a peer only for an element that plays it.
    const element = new Audio();
    element.srcObject = stream;
    element.muted = true;
    await element.play();
    this.#audio.createMediaStreamSource(stream).connect(this.#analyser);
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

  /** Listens for a while; signed 16-bit samples. */
  async record() {
    // The analyser has a window of the last samples: one that begins now.
    const begin = this.#audio.currentTime;
    const wanted = (WINDOW + RENDER_QUANTUM) / SAMPLE_RATE;
    while (this.#audio.currentTime < begin + wanted) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const samples = new Float32Array(WINDOW);
    this.#analyser.getFloatTimeDomainData(samples);
    // As small numbers: they go through text.
    return { rate: SAMPLE_RATE, samples: Array.from(samples, (x) => Math.round(x * 1e5) / 1e5) };
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
