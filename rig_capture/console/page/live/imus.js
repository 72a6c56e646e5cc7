// Acceleration and rotation of each IMU over the last seconds, as plots and as figures.

import { add, el, setText } from "../dom.js";
import { figure } from "../format.js";
import { Plot } from "../plot.js";

const WINDOW_S = 10;
const AXES = ["x", "y", "z"];
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
/** Every so many seconds at most the figures are written anew, and under reduced motion the plots too. */
const FIGURES_S = 0.5;
const CALM_S = 2;
const SILENT_S = 2;

export class Imus {
  #live;
  #names;
  #imus;
  #clock = null;

  constructor(root, rig, live) {
    this.#live = live;
    this.#names = rig.imus.map((imu) => imu.name);
    if (!this.#names.length) add(root, el("p", { class: "soft" }, "This rig has no IMU."));
    this.#imus = new Map(this.#names.map((name) => [name, new Imu(name)]));
    for (const imu of this.#imus.values()) add(root, imu.root);
    live.on("imu", (message) => this.#imus.get(message.imu)?.take(message));
  }

  show() {
    this.#live.want({ imus: this.#names });
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#imus.forEach((imu) => imu.age()), 1000);
  }

  hide() {
    clearInterval(this.#clock);
    this.#live.want({ imus: [] });
  }
}

class Imu {
  #stamps = [];
  #figures = 0;
  #drawn = 0;
  #heard = null;

  constructor(name) {
    this.quantities = [new Quantity("accel", "Acceleration", "m/s²", name), new Quantity("gyro", "Rotation", "rad/s", name)];
    this.silence = el("span", { class: "soft" });
    this.root = el(
      "div",
      { class: "imu" },
      el("h4", {}, name, " ", this.silence),
      this.quantities.map((quantity) => quantity.root),
    );
  }

  take(message) {
    this.#heard = performance.now();
    // A node that was started anew, or another clock: what was before belongs to another axis.
    if (message.stamps_s.length && message.stamps_s[0] < (this.#stamps.at(-1) ?? 0)) {
      this.#stamps = [];
      for (const quantity of this.quantities) quantity.points = [];
    }
    this.#stamps.push(...message.stamps_s);
    for (const quantity of this.quantities) quantity.points.push(...message[quantity.key]);
    const oldest = this.#stamps.at(-1) - WINDOW_S;
    const over = this.#stamps.findIndex((stamp) => stamp >= oldest);
    this.#stamps.splice(0, over);
    for (const quantity of this.quantities) quantity.points.splice(0, over);
    const now = performance.now() / 1000;
    if (now - this.#figures > FIGURES_S) {
      this.#figures = now;
      for (const quantity of this.quantities) quantity.tell();
    }
    if (CALM.matches && now - this.#drawn < CALM_S) return;
    this.#drawn = now;
    for (const quantity of this.quantities) quantity.plot.draw(this.#stamps, quantity.points);
  }

  age() {
    const silent_s = this.#heard === null ? null : (performance.now() - this.#heard) / 1000;
    const text = silent_s === null ? "waiting for data" : silent_s > SILENT_S ? `no data for ${silent_s.toFixed(0)} s` : "";
    setText(this.silence, text);
  }
}

class Quantity {
  points = [];

  constructor(key, title, unit, imu) {
    this.key = key;
    this.unit = unit;
    const canvas = el("canvas", {
      role: "img",
      "aria-label": `${title} of ${imu} in ${unit} over the last ${WINDOW_S} s; the figures stand beside it`,
    });
    this.plot = new Plot(canvas, AXES.length, WINDOW_S);
    this.values = AXES.map(() => el("span", { class: "numbers value" }, "–"));
    const legend = AXES.map((axis, number) =>
      el("li", { class: `c${number}` }, el("span", { class: "line", "aria-hidden": "true" }), axis, " ", this.values[number]),
    );
    this.root = el("figure", { class: "plot" }, el("figcaption", {}, `${title}, ${unit}`, el("ul", { class: "legend" }, legend)), canvas);
  }

  tell() {
    const last = this.points.at(-1);
    AXES.forEach((_, number) => setText(this.values[number], figure(last?.[number], 2).replace("-", "−")));
  }
}
