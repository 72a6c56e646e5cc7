// A plot of the last seconds of a few values, on a canvas, drawn anew with each delivery.

const LEFT = 44;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
/** Lines are told apart by dashes too, not by colour only. */
const DASHES = [[], [8, 3], [2, 3]];
const DARK = matchMedia("(prefers-color-scheme: dark)");

export class Plot {
  #canvas;
  #lines;
  #window_s;
  #colours = null;

  /** `lines`: how many values a point has; `window_s`: how much time is shown. */
  constructor(canvas, lines, window_s) {
    this.#canvas = canvas;
    this.#lines = lines;
    this.#window_s = window_s;
    DARK.addEventListener("change", () => (this.#colours = null));
  }

  /** `stamps` in seconds, rising; `points[i]` the values at stamps[i]. */
  draw(stamps, points) {
    const context = this.#sized();
    if (context === null) return;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    const colours = (this.#colours ??= readColours(this.#canvas));
    context.clearRect(0, 0, width, height);
    context.font = colours.font;
    const [low, high, step] = scale(points);
    const right = width - RIGHT;
    const bottom = height - BOTTOM;
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - TOP);
    const end = stamps.at(-1) ?? 0;
    const x = (stamp) => right - ((end - stamp) / this.#window_s) * (right - LEFT);

    context.lineWidth = 1;
    context.setLineDash([]);
    context.strokeStyle = colours.edge;
    context.fillStyle = colours.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let value = Math.ceil(low / step) * step; value <= high + step / 1000; value += step) {
      line(context, LEFT, y(value), right, y(value));
      context.fillText(Math.abs(value) < step / 1000 ? "0" : value.toFixed(digits).replace("-", "−"), LEFT - 6, y(value));
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    for (let back = 0; back <= this.#window_s; back += this.#window_s / 5) {
      const place = x(end - back);
      line(context, place, TOP, place, bottom);
      context.textAlign = back === 0 ? "right" : "center";
      context.fillText(back === 0 ? "now" : `−${back} s`, place, bottom + 5);
    }

    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, right - LEFT, height);
    context.clip();
    for (let number = 0; number < this.#lines; number += 1) {
      context.strokeStyle = colours.lines[number];
      context.setLineDash(DASHES[number % DASHES.length]);
      context.beginPath();
      stamps.forEach((stamp, place) => context.lineTo(x(stamp), y(points[place][number])));
      context.stroke();
    }
    context.restore();
  }

  /** The canvas has as many pixels as the screen shows of it. */
  #sized() {
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    if (!width || !height) return null;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== wide || this.#canvas.height !== high) [this.#canvas.width, this.#canvas.height] = [wide, high];
    const context = this.#canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, Math.round(y1) + 0.5);
  context.lineTo(x2, Math.round(y2) + 0.5);
  context.stroke();
}

function readColours(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    edge: colour("--grid"),
    soft: colour("--soft"),
    lines: ["--c0", "--c1", "--c2"].map(colour),
    font: `11px ${style.fontFamily}`,
  };
}

/** Lowest and highest value shown, and the step between marks: 1, 2 or 5 times a power of ten. */
function scale(points) {
  const values = points.flat().filter(Number.isFinite);
  let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [-1, 1];
  const least = 0.1;
  if (high - low < least) {
    const middle = (high + low) / 2;
    [low, high] = [middle - least / 2, middle + least / 2];
  }
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step, step];
}
