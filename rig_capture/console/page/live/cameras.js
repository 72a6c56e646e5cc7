// Previews of all cameras: rate and age of each, large on request, and a plain word where a camera is gone.

import { add, el, select, setText } from "../dom.js";
import { figure } from "../format.js";

const RATES = [1, 2, 5, 10, 20, 30, 60];
/** More is not asked for by itself: each picture goes over the network. */
const USUAL = 5;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
/** A picture older than so many preview intervals, but at least so many seconds, is said to be old. */
const OLD_INTERVALS = 4;
const OLD_S = 3;

export class Cameras {
  #live;
  #cameras;
  #clock = null;
  #large = null;

  constructor(root, rig, live) {
    this.#live = live;
    if (!rig.cameras.length) {
      add(root, el("p", { class: "soft" }, "This rig has no cameras."));
      this.#cameras = [];
      return;
    }
    const highest = Math.max(...rig.cameras.map((camera) => camera.preview_fps));
    const rates = RATES.filter((rate, place) => place === 0 || RATES[place - 1] < highest);
    this.rate = select([["0", "paused"], ...rates.map((rate) => [rate, `${rate} per second`])], {
      change: () => this.#ask(),
      id: "preview-rate",
    });
    this.rate.value = CALM.matches ? 1 : rates.findLast((rate) => rate <= USUAL);
    this.#cameras = rig.cameras.map((camera, index) => new Camera(camera, () => this.#enlarge(index)));
    root.querySelector("h3").after(el("div", { class: "tools" }, el("label", { for: "preview-rate" }, "Previews"), this.rate));
    add(
      root,
      el(
        "div",
        { class: "cameras" },
        this.#cameras.map((camera) => camera.figure),
      ),
    );
    live.on("picture", ({ camera, jpeg }) => this.#cameras[camera]?.take(jpeg, () => this.#mirror(camera)));
    live.on("status", (status) => this.#cameras.forEach((camera) => camera.tell(status.nodes ?? [])));
    live.on("lost", () => this.#cameras.forEach((camera) => camera.forget()));
  }

  show() {
    if (!this.#cameras.length) return;
    this.#ask();
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#cameras.forEach((camera) => camera.age(Number(this.rate.value))), 500);
  }

  hide() {
    clearInterval(this.#clock);
    this.#live.want({ previews: [] });
  }

  #ask() {
    const rate = Number(this.rate.value);
    this.#live.want(rate ? { previews: this.#cameras.map((camera) => camera.name), rate_hz: rate } : { previews: [] });
  }

  /** One camera over the whole screen; arrow keys go to the next, Escape back. */
  async #enlarge(index) {
    const picture = el("canvas", { role: "img" });
    const caption = el("span");
    const close = el("button", { type: "button", click: () => dialog.close(), autofocus: true }, "Close");
    const step = (by) => {
      this.#large.index = (this.#large.index + by + this.#cameras.length) % this.#cameras.length;
      this.#mirror(this.#large.index);
    };
    const several = this.#cameras.length > 1;
    const bar = el(
      "div",
      { class: "viewer-bar" },
      caption,
      several && el("button", { type: "button", "aria-label": "Previous camera", click: () => step(-1) }, "←"),
      several && el("button", { type: "button", "aria-label": "Next camera", click: () => step(1) }, "→"),
      close,
    );
    const dialog = el("dialog", { class: "viewer", "aria-label": "Camera, large" }, picture, bar);
    dialog.addEventListener("keydown", (event) => {
      if (several && event.key === "ArrowLeft") step(-1);
      if (several && event.key === "ArrowRight") step(1);
    });
    picture.addEventListener("click", () => dialog.close());
    const left = () => document.fullscreenElement || dialog.close();
    dialog.addEventListener("close", () => {
      document.removeEventListener("fullscreenchange", left);
      if (document.fullscreenElement) document.exitFullscreen();
      dialog.remove();
      this.#cameras[this.#large.index].button.focus();
      this.#large = null;
    });
    this.#large = { index, picture, caption };
    // Where the browser can't, or may not, the window is all there is.
    await document.documentElement.requestFullscreen?.().catch(() => {});
    if (document.fullscreenElement) document.addEventListener("fullscreenchange", left);
    document.body.append(dialog);
    dialog.showModal();
    this.#mirror(index);
  }

  #mirror(index) {
    if (this.#large?.index !== index) return;
    const { picture, caption } = this.#large;
    const camera = this.#cameras[index];
    [picture.width, picture.height] = [camera.canvas.width, camera.canvas.height];
    picture.getContext("2d").drawImage(camera.canvas, 0, 0);
    picture.setAttribute("aria-label", `Live picture of ${camera.name}`);
    setText(caption, `${camera.name}  ${camera.facts.textContent}`);
  }
}

class Camera {
  #arrived = null;
  #node = null;
  #decoding = false;

  constructor(camera, enlarge) {
    this.name = camera.name;
    this.fps = camera.preview_fps;
    this.canvas = el("canvas", { width: camera.width || 640, height: camera.height || 480, "aria-hidden": "true" });
    this.notice = el("span", { class: "notice" }, "waiting for the first picture");
    this.facts = el("span", { class: "soft numbers" });
    this.button = el(
      "button",
      { type: "button", class: "picture", "aria-label": `Enlarge ${camera.name}`, click: enlarge },
      this.canvas,
      this.notice,
    );
    const size = camera.width ? `${camera.width} × ${camera.height}` : "";
    this.figure = el(
      "figure",
      {},
      this.button,
      el("figcaption", {}, el("strong", {}, camera.name), el("span", { class: "soft numbers" }, size), this.facts),
    );
  }

  async take(jpeg, drawn) {
    // The newest picture only: one that comes while another is decoded is left out.
    if (this.#decoding) return;
    this.#decoding = true;
    try {
      const picture = await createImageBitmap(jpeg);
      if (this.canvas.width !== picture.width || this.canvas.height !== picture.height) {
        [this.canvas.width, this.canvas.height] = [picture.width, picture.height];
      }
      this.canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
      this.#arrived = performance.now();
      setText(this.notice, "");
      drawn();
    } finally {
      this.#decoding = false;
    }
  }

  /** What its node says of itself. */
  tell(nodes) {
    this.#node = nodes.find((node) => node.name === this.name || node.name.endsWith(`/${this.name}`)) ?? null;
  }

  forget() {
    this.#node = null;
  }

  age(rate) {
    const age_s = this.#arrived === null ? null : (performance.now() - this.#arrived) / 1000;
    const fps = figure(this.#node?.rate_hz, 1, "fps");
    const age = age_s === null ? "" : age_s < 1 ? "now" : `${age_s.toFixed(0)} s ago`;
    setText(this.facts, [fps === "–" ? "" : fps, age].filter(Boolean).join(" · "));
    const gone = this.#node !== null && this.#node.level >= 2;
    const old = age_s !== null && age_s > Math.max(OLD_S, OLD_INTERVALS / Math.min(rate || 1, this.fps || 1));
    if (gone)
      setText(this.notice, this.#node.message || (this.#node.level === 3 ? "this camera's node is silent" : "this camera has a problem"));
    else if (!this.fps) setText(this.notice, `previews are off in the profile (cameras.${this.name}.preview_fps)`);
    else if (!rate) setText(this.notice, "previews are paused");
    else if (old) setText(this.notice, `no picture for ${age_s.toFixed(0)} s`);
    else if (age_s !== null) setText(this.notice, "");
    this.figure.classList.toggle("old", gone || old);
  }
}
