// What is asked of the server over HTTP.

/** An answer that says no; the message is the server's own. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function get(path) {
  return ask("GET", path);
}

export function post(path, body = {}) {
  return ask("POST", path, body);
}

export function remove(path) {
  return ask("DELETE", path);
}

async function ask(method, path, body) {
  const options = { method, headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" };
  // Pages of other origins can't send this header: the server takes no change without it.
  if (method !== "GET") options.headers["X-Rig-Capture"] = "1";
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Refused(0, "the console does not answer; see that the rig is up and this device is in its network", { cause: error });
  }
  const answer = await read(response);
  if (response.ok) return answer;
  if (response.status === 401 && path !== "/api/login") location.reload(); // to the login page
  throw new Refused(response.status, answer.error || answer.message || `the server answered ${response.status} ${response.statusText}`);
}

async function read(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return { error: text };
  }
}
