// Figures as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 1536000 -> "1.5 MB". */
export function bytes(count) {
  if (!known(count)) return "–";
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? count : count.toFixed(count < 10 ? 2 : count < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

/** 3725 -> "1:02:05"; 65 -> "1:05". */
export function clock(seconds) {
  if (!known(seconds)) return "–";
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** 3725 -> "1 h 2 min"; 12.34 -> "12.3 s". */
export function duration(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return withRest(minutes, "min", Math.round(seconds % 60), "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return withRest(hours, "h", minutes % 60, "min");
  return withRest(Math.floor(hours / 24), "d", hours % 24, "h");
}

function withRest(count, unit, rest, small) {
  return rest ? `${count} ${unit} ${rest} ${small}` : `${count} ${unit}`;
}

/** A figure with so many digits after the point, and its unit; "–" where it is not known. */
export function figure(value, digits, unit = "") {
  if (!known(value)) return "–";
  return unit ? `${value.toFixed(digits)} ${unit}` : value.toFixed(digits);
}

/** A count with its thousands apart. */
export function count(value) {
  return known(value) ? value.toLocaleString("en", { useGrouping: true }).replaceAll(",", "\u202f") : "–";
}

/** A point in time: seconds since the epoch, or ISO 8601; in this browser's time zone. */
export function point(time) {
  const date = toDate(time);
  if (date === null) return "–";
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function toDate(time) {
  const date = typeof time === "number" ? new Date(time * 1000) : typeof time === "string" && time ? new Date(time) : null;
  return date === null || Number.isNaN(date.getTime()) ? null : date;
}

export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

const PARTS = /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?$/;

/**
 * A length of time as people write it: "90", "90s", "10m", "1h30m".
 *
 * Returns seconds; 0 for nothing.
 * Throws where it is no such length.
 */
export function seconds(text) {
  const plain = text.toLowerCase().replaceAll(/\s+|in(?=\b|$)/g, "");
  if (!plain) return 0;
  const match = PARTS.exec(plain);
  if (!match) throw new Error(`"${text}" is no length of time; write seconds, or such as 10m or 1h30m`);
  const [days, hours, minutes, rest] = match.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60 + rest;
}
