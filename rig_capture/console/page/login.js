// The login page works without this script; with it, what is wrong is told in place, in the server's words.

const form = document.getElementById("login");
const token = document.getElementById("token");
const wrong = document.getElementById("wrong");

if (new URLSearchParams(location.search).has("wrong")) wrong.textContent = "This is not the rig's token.";

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrong.textContent = "";
  try {
    const body = JSON.stringify({ token: token.value.trim() });
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-Rig-Capture": "1" };
    const response = await fetch("/api/login", { method: "POST", headers, body, credentials: "same-origin" });
    if (response.ok) {
      location.replace("/" + location.hash);
      return;
    }
    wrong.textContent = (await response.json()).error;
  } catch (error) {
    wrong.textContent = `The console does not answer as it should: ${error.message}`;
  }
  token.select();
});
