// What a page says and hears: a tone in place of a microphone, and the last samples that came.

const SAMPLE_RATE = 48000;
// The longest window that an AnalyserNode keeps: 0.7 s.
const WINDOW = 32768;
// Web Audio works in blocks of so many samples.
const RENDER_QUANTUM = 128;

export class Line {
  #audio;
  #analyser;
  #source;
  #tone;
  #microphone;
  #recorder;
  /** A MediaStream with the tone. */
  microphone;

  /** The microphone gives a sine of `frequency` Hz and `amplitude`, where 1 is full scale. */
  constructor({ frequency, amplitude }) {
    this.#audio = new AudioContext({ sampleRate: SAMPLE_RATE });
    const tone = new OscillatorNode(this.#audio, { frequency });
    this.#tone = new GainNode(this.#audio, { gain: amplitude });
    this.#microphone = new MediaStreamAudioDestinationNode(this.#audio, { channelCount: 1 });
    this.microphone = this.#microphone.stream;
    this.#analyser = new AnalyserNode(this.#audio, { fftSize: WINDOW });
    tone.connect(this.#tone).connect(this.#microphone);
    tone.start();
  }

  /** Hears this stream from now on, and no other. */
  async listen(stream) {
    // Chromium decodes what comes from a peer only for an element that plays it.
    const element = new Audio();
    element.srcObject = stream;
    element.muted = true;
    await element.play();
    this.#source?.disconnect();
    this.#source = this.#audio.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** The microphone gives these 16-bit samples instead, then silence; returns when all are said. */
  async say({ rate, samples }) {
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
    buffer.copyToChannel(Float32Array.from(samples, (x) => x / 32768), 0);
    const source = new AudioBufferSourceNode(this.#audio, { buffer });
    source.connect(this.#microphone);
    const over = new Promise((done) => (source.onended = done));
    this.#tone.gain.value = 0;
    source.start();
    await over;
  }

  /** Begins to keep all that is heard. */
  async beginRecording() {
    await this.#audio.audioWorklet.addModule("/recorder.mjs");
    const node = new AudioWorkletNode(this.#audio, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    const blocks = [];
    node.port.onmessage = ({ data }) => blocks.push(data);
    // It says nothing, but only what is connected is asked.
    this.#source.connect(node).connect(this.#audio.destination);
    this.#recorder = { node, blocks };
  }

  /** Ends that; signed 16-bit samples. */
  endRecording() {
    const { node, blocks } = this.#recorder;
    this.#source.disconnect(node);
    node.disconnect();
    return { rate: SAMPLE_RATE, samples: blocks.flatMap((block) => Array.from(block, (x) => Math.round(x * 32768))) };
  }

  /** Listens for a while; samples of full scale 1. */
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
}

/** Takes out the candidates beyond the loopback: the test's traffic stays there, whatever else the machine has. */
export function loopbackOnly(sdp) {
  const lines = sdp.split("\r\n");
  return lines.filter((line) => !line.startsWith("a=candidate:") || line.includes(" 127.0.0.1 ")).join("\r\n");
}
