// Elements without markup: text from the rig, from files and from people is only ever set as text, never parsed.

/**
 * Makes an element.
 *
 * Properties: functions become listeners of the event they are named after ("click"), true an empty attribute, false, null and undefined
 * nothing, all else an attribute. Children are nodes or text, or lists of them; null and false are left out.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  add(element, ...children);
  return element;
}

/** Appends children as `el` takes them. */
export function add(element, ...children) {
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Sets text only where it differs, so that nothing is laid out, or read aloud, again without need. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute, only where it differs. */
export function setAttribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** A field with its label; `hint` is read with it. */
export function field(label, input, hint = "") {
  if (!input.id) input.id = uniqueId();
  const parts = [el("label", { for: input.id }, label), input];
  if (hint) {
    const id = `${input.id}-hint`;
    input.setAttribute("aria-describedby", id);
    parts.push(el("span", { id, class: "hint" }, hint));
  }
  return el("div", { class: "field" }, parts);
}

/** A choice: options are [value, text]. */
export function select(options, properties = {}) {
  return el(
    "select",
    properties,
    options.map(([value, text]) => el("option", { value }, text)),
  );
}

/** A table whose rows are filled in later; columns are [text, class]. */
export function table(caption, columns) {
  // Roles are said too: small screens show some tables as cards, and browsers then forget that they are tables.
  const body = el("tbody", { role: "rowgroup" });
  const head = row(columns.map(([text, kind]) => el("th", { scope: "col", role: "columnheader", class: kind || null }, text)));
  const whole = el("table", { role: "table" }, el("caption", { class: "hidden" }, caption), el("thead", { role: "rowgroup" }, head), body);
  // What scrolls sideways must be reachable by keyboard.
  return { whole: el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, whole), body };
}

/** A row of a table, its heading, and a cell; `column` is its name where the table is shown as cards. */
export function row(...cells) {
  return el("tr", { role: "row" }, cells);
}

export function heading(...content) {
  return el("th", { scope: "row", role: "rowheader" }, content);
}

export function cell(content, kind = "", column = "") {
  return el("td", { role: "cell", class: kind || null, "data-name": column || null }, content);
}

/** A word that says a state; `kind` is good, warn, bad, active or nothing. */
export function badge(text, kind = "") {
  return el("span", { class: `badge ${kind}`.trim() }, text);
}

let ids = 0;

export function uniqueId() {
  ids += 1;
  return `part-${ids}`;
}
