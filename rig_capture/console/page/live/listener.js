// Plays what is listened to: samples go through a short buffer in the browser's own audio thread.

export class Listener {
  #context = null;
  #node = null;
  #gain = null;
  #volume = 0.8;
  #rate = 0;

  constructor(live) {
    live.on("sound", ({ rate, samples }) => this.#take(rate, samples));
    live.on("lost", () => this.#node?.port.postMessage(null));
  }

  /** Must be called from a click or a key press: browsers make no sound before. */
  async start() {
    await this.#open(this.#rate || 48000);
  }

  async stop() {
    await this.#context?.close();
    this.#context = this.#node = this.#gain = null;
  }

  setVolume(volume) {
    this.#volume = volume;
    if (this.#gain) this.#gain.gain.value = volume;
  }

  async #open(rate) {
    await this.stop();
    // The browser resamples to its output where it must.
    const context = new AudioContext({ sampleRate: rate });
    await context.audioWorklet.addModule("/live/player.js");
    this.#node = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#gain = new GainNode(context, { gain: this.#volume });
    this.#node.connect(this.#gain).connect(context.destination);
    await context.resume();
    this.#context = context;
    this.#rate = rate;
  }

  async #take(rate, samples) {
    if (this.#context === null) return;
    if (rate !== this.#rate) {
      this.#rate = rate;
      await this.#open(rate);
    }
    const floats = Float32Array.from(samples, (sample) => sample / 32768);
    this.#node?.port.postMessage(floats, [floats.buffer]);
  }
}
