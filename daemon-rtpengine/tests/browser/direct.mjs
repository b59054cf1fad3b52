// A peer connection without signalling: the test itself carries the descriptions. The driver calls the methods
// of `window.phone`.

import { Line, loopbackOnly } from "/line.mjs";

class Phone {
  #line;
  #connection;

  /** The microphone gives a sine, see Line. */
  async start(tone) {
    this.#line = new Line(tone);
  }

  /** Begins a call; its offer, with all candidates. */
  async offer() {
    const connection = new RTCPeerConnection({ iceServers: [], rtcpMuxPolicy: "require" });
    this.#connection = connection;
    for (const track of this.#line.microphone.getTracks()) {
      connection.addTrack(track, this.#line.microphone);
    }
    const gathered = new Promise((done) => {
      connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done();
    });
    await connection.setLocalDescription();
    await gathered;
    return loopbackOnly(connection.localDescription.sdp);
  }

  /** Takes the answer. */
  async accept({ sdp }) {
    await this.#connection.setRemoteDescription({ type: "answer", sdp });
    const tracks = this.#connection.getReceivers().map((receiver) => receiver.track);
    await this.#line.listen(new MediaStream(tracks));
  }

  /** Listens for a while. */
  async record() {
    return this.#line.record();
  }

  /** Everything that the peer connection tells: a list of RTCStats. */
  async stats() {
    return [...(await this.#connection.getStats()).values()];
  }

  /** Ends the call. */
  async hangUp() {
    this.#connection.close();
  }
}

window.phone = new Phone();
