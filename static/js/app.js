// What every page shares: focus on the error summary, toasts that can be dismissed,
// passwords that can be shown, the browser's time zone, keys.

document.querySelector("[data-focus]")?.focus();

for (const button of document.querySelectorAll("[data-dismiss]")) button.hidden = false;
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
});

for (const button of document.querySelectorAll("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", shown);
  });
  input.form?.addEventListener("submit", () => (input.type = "password"));
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    await navigator.clipboard.writeText(text);
    button.dataset.done ??= button.textContent;
    button.textContent = "\u2713 " + button.dataset.done;
  });
}

for (const select of document.querySelectorAll("select[data-browser-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === zone)) select.value = zone;
}

const places = { d: "/", c: "/campaigns", t: "/triage", s: "/senders" };
let armed = 0;
const triage = document.querySelector("[data-pulse]"); // has keys of its own

function typing(target) {
  return target.matches("input, textarea, select, [contenteditable]");
}

function press(event) {
  if (event.key === "g") armed = Date.now();
  else if (Date.now() - armed < 1500 && places[event.key]) location.href = places[event.key];
  else if (event.key === "?") location.href = "/help#keys";
  else if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    search?.focus();
    if (search) event.preventDefault();
  } else if (!triage) {
    const key = CSS.escape(event.key);
    document.querySelector(`:is(a, button)[aria-keyshortcuts="${key}"]`)?.click();
  }
}

document.addEventListener("keydown", (event) => {
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if ("shortcuts" in document.body.dataset && !held && !typing(event.target)) press(event);
});
