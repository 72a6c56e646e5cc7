// Plays a session: one video stream and one audio stream along one timeline, chunk after chunk.

import { el, select, setText } from "../dom.js";
import { clock } from "../format.js";
import { Track } from "./track.js";

const SPEEDS = [
  ["0.25", "¼ ×"],
  ["0.5", "½ ×"],
  ["1", "1 ×"],
  ["2", "2 ×"],
  ["4", "4 ×"],
];
/** Sound further from the picture than this is brought back to it. */
const APART_S = 0.12;
const STEP_S = 0.1;

export class Player {
  #video = null;
  #audio = null;
  #position = 0;
  #playing = false;

  constructor(session) {
    this.session = session;
    this.length = lengthOf(session);
    this.picture = el("video", { playsinline: true, muted: true, preload: "auto", "aria-label": "Recorded video" });
    this.sound = el("audio", { preload: "auto" });
    this.note = el("p", { class: "notice-line", role: "status" });
    this.play = el("button", { type: "button", class: "primary", click: () => (this.#playing ? this.pause() : this.#start()) }, "Play");
    this.slider = el("input", {
      type: "range",
      min: "0",
      max: this.length.toFixed(2),
      step: STEP_S,
      value: "0",
      "aria-label": "Position in the session",
    });
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.time = el("span", { class: "numbers" });
    this.chunks = el("ol", { class: "chunks", "aria-label": "Chunks" });
    this.speed = select(SPEEDS, { id: "speed", change: () => this.#paced() });
    this.speed.value = "1";
    this.root = el(
      "div",
      { class: "player" },
      this.#choices(),
      this.picture,
      this.sound,
      this.note,
      this.#controls(),
      this.slider,
      this.chunks,
    );
    this.picture.addEventListener("click", () => this.play.click());
    this.#choose();
  }

  #choices() {
    const { video = [], audio = [] } = this.session;
    this.videoChoice = select(
      video.map((stream) => [stream.stream, stream.stream]),
      { id: "video-stream", change: () => this.#choose() },
    );
    this.audioChoice = select([...audio.map((stream) => [stream.stream, stream.stream]), ["", "no sound"]], {
      id: "audio-stream",
      change: () => this.#choose(),
    });
    this.picture.hidden = video.length === 0;
    return el(
      "div",
      { class: "tools" },
      video.length > 0 && [el("label", { for: "video-stream" }, "Video"), this.videoChoice],
      audio.length > 0 && [el("label", { for: "audio-stream" }, "Sound"), this.audioChoice],
      el("label", { for: "speed" }, "Speed"),
      this.speed,
    );
  }

  #controls() {
    const step = (text, label, by) => el("button", { type: "button", "aria-label": label, click: () => this.#chunk(by) }, text);
    return el(
      "div",
      { class: "tools controls" },
      this.play,
      step("← Chunk", "Previous chunk", -1),
      step("Chunk →", "Next chunk", 1),
      this.time,
    );
  }

  #choose() {
    const playing = this.#playing;
    this.pause();
    const find = (streams, name) => (streams ?? []).find((stream) => stream.stream === name);
    this.#video?.close();
    this.#audio?.close();
    const video = find(this.session.video, this.videoChoice.value);
    const audio = find(this.session.audio, this.audioChoice.value);
    this.#video = video ? new Track(this.picture, video.chunks, (text) => this.#told(text)) : null;
    this.#audio = audio ? new Track(this.sound, audio.chunks, (text) => this.#told(text)) : null;
    const lead = this.#lead;
    if (lead) {
      lead.onTime = (position) => this.#moved(position);
      lead.onEnd = () => this.pause();
      this.#draw(lead);
    }
    this.#paced();
    this.seek(this.#position);
    if (playing) this.#start();
  }

  /** What the timeline follows: the picture, or the sound where there is none. */
  get #lead() {
    return this.#video ?? this.#audio;
  }

  /** Chunks as blocks along the timeline; each begins playback where it begins. */
  #draw(track) {
    this.chunks.replaceChildren(
      ...track.chunks.map((chunk, number) => {
        const limit = chunk.playable === false ? ", can't be played here" : "";
        const text = `Chunk ${number + 1}, from ${clock(chunk.start_s)}, ${clock(chunk.duration_s)} long${limit}`;
        const button = el(
          "button",
          { type: "button", "aria-label": text, title: text, click: () => this.seek(chunk.start_s) },
          String(number + 1),
        );
        const item = el("li", { class: chunk.playable === false ? "unplayable" : null }, button);
        item.style.left = `${(chunk.start_s / this.length) * 100}%`;
        item.style.width = `${(chunk.duration_s / this.length) * 100}%`;
        return item;
      }),
    );
  }

  seek(position) {
    const place = Math.min(Math.max(0, position), this.length);
    this.#told("");
    this.#video?.seek(place);
    this.#audio?.seek(place);
    this.#moved(place);
  }

  async #start() {
    if (this.#position >= this.length - STEP_S) this.seek(0);
    this.#playing = true;
    setText(this.play, "Pause");
    await Promise.all([this.#video?.play(), this.#audio?.play()]);
  }

  pause() {
    this.#playing = false;
    setText(this.play, "Play");
    this.#video?.pause();
    this.#audio?.pause();
  }

  close() {
    this.pause();
    this.#video?.close();
    this.#audio?.close();
  }

  #chunk(by) {
    const starts = this.#lead.chunks.map((chunk) => chunk.start_s);
    const now = Math.max(
      0,
      starts.findLastIndex((start) => start <= this.#position + STEP_S / 2),
    );
    this.seek(starts[Math.min(starts.length - 1, Math.max(0, now + by))]);
  }

  #paced() {
    for (const track of [this.#video, this.#audio]) track?.pace(Number(this.speed.value));
  }

  #moved(position) {
    this.#position = position;
    if (this.#video && this.#audio && this.#playing && Math.abs(this.#audio.position - position) > APART_S) this.#audio.seek(position);
    this.slider.value = position;
    this.slider.setAttribute("aria-valuetext", `${clock(position)} of ${clock(this.length)}`);
    setText(this.time, `${clock(position)} / ${clock(this.length)}`);
    const now = this.#lead?.now;
    [...this.chunks.children].forEach((item, number) => item.classList.toggle("now", number === now));
  }

  #told(text) {
    setText(this.note, text);
  }
}

function lengthOf(session) {
  const ends = [...(session.video ?? []), ...(session.audio ?? [])].flatMap(({ chunks }) =>
    chunks.map((chunk) => chunk.start_s + chunk.duration_s),
  );
  return Math.max(0.1, ...ends);
}
