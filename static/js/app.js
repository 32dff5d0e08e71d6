// What every page shares: focus on the error summary, toasts that can be dismissed, keys.

document.querySelector("[data-focus]")?.focus();

for (const button of document.querySelectorAll("[data-dismiss]")) {
  button.hidden = false;
  button.addEventListener("click", () => button.closest(".toast").remove());
}

const places = { d: "/", c: "/campaigns", t: "/triage", s: "/senders" };
let armed = 0;

function typing(target) {
  return target.matches("input, textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!("shortcuts" in document.body.dataset) || typing(event.target)) return;
  if (event.key === "g") armed = Date.now();
  else if (Date.now() - armed < 1500 && places[event.key]) location.href = places[event.key];
  else if (event.key === "?") location.href = "/help#keys";
  else if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      search.focus();
      event.preventDefault();
    }
  }
});
