// Hands the samples that it is given to the page, block by block. Runs where the audio runs.

class Recorder extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) {
      this.port.postMessage(samples.slice());
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
