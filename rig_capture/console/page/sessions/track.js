// One stream of a session in one media element: positions count from the session's begin, chunks follow each other by themselves.

const ERRORS = { 2: "the rig did not send it", 3: "it can't be decoded", 4: "this browser can't play it" };
/** A chunk's last instant belongs to the next one. */
const END_S = 0.001;

export class Track {
  /** Called with the position while it plays, and once the last chunk has ended. */
  onTime = () => {};
  onEnd = () => {};
  now = -1;
  #element;
  #tell;
  #playing = false;
  #wanted = null;
  #pace = 1;
  #listeners;

  /** `tell` says what went wrong, for people. */
  constructor(element, chunks, tell) {
    this.#element = element;
    this.chunks = chunks;
    this.#tell = tell;
    this.#listeners = {
      loadedmetadata: () => this.#loaded(),
      timeupdate: () => this.#time(),
      ended: () => this.#next(),
      error: () => this.#failed(),
    };
    for (const [name, listener] of Object.entries(this.#listeners)) element.addEventListener(name, listener);
  }

  get position() {
    const chunk = this.chunks[this.now];
    return chunk ? chunk.start_s + (this.#wanted ?? this.#element.currentTime) : 0;
  }

  seek(position) {
    let place = this.chunks.findIndex((chunk) => position < chunk.start_s + chunk.duration_s - END_S);
    if (place < 0) place = this.chunks.length - 1;
    if (place < 0) return;
    const offset = Math.max(0, position - this.chunks[place].start_s);
    if (place === this.now && this.#element.readyState > 0) {
      this.#element.currentTime = offset;
      return;
    }
    this.#wanted = offset;
    this.#load(place);
  }

  async play() {
    this.#playing = true;
    if (this.now < 0) this.seek(0);
    if (this.#wanted === null) await this.#run();
  }

  pause() {
    this.#playing = false;
    this.#element.pause();
  }

  pace(rate) {
    this.#pace = rate;
    this.#element.playbackRate = rate;
  }

  close() {
    this.pause();
    for (const [name, listener] of Object.entries(this.#listeners)) this.#element.removeEventListener(name, listener);
    this.#element.removeAttribute("src");
    this.#element.load();
  }

  #load(place) {
    if (place === this.now) return;
    this.now = place;
    const chunk = this.chunks[place];
    if (chunk.playable === false) {
      this.#element.removeAttribute("src");
      this.#tell(`${chunk.name} can't be played in a browser.`);
      return;
    }
    this.#element.src = chunk.url;
  }

  #loaded() {
    this.#element.currentTime = this.#wanted ?? 0;
    this.#element.playbackRate = this.#pace;
    this.#wanted = null;
    if (this.#playing) this.#run();
  }

  async #run() {
    try {
      await this.#element.play();
    } catch (error) {
      // A pause, or another chunk, came before it had begun.
      if (error.name !== "AbortError") this.#tell(`${this.chunks[this.now].name} does not play: ${error.message}`);
    }
  }

  #time() {
    if (this.#wanted === null) this.onTime(this.position);
  }

  #next() {
    if (this.now + 1 >= this.chunks.length) {
      this.#playing = false;
      this.onEnd();
      return;
    }
    this.#wanted = 0;
    this.#load(this.now + 1);
  }

  #failed() {
    const error = this.#element.error;
    if (!error || !this.#element.getAttribute("src")) return;
    this.#tell(`${this.chunks[this.now]?.name ?? "This chunk"} does not play: ${ERRORS[error.code] ?? error.message}.`);
  }
}
