// Keys of the triage page; everything they do is a form or a link that is there anyway.

const form = document.querySelector("#bulk");
const rows = [...document.querySelectorAll(".mails > li")];
const counter = document.querySelector("[data-selected]");

function linkOf(row) {
  return row.querySelector("a");
}

function current() {
  const focused = rows.findIndex((row) => row.contains(document.activeElement));
  if (focused >= 0) return focused;
  return rows.findIndex((row) => linkOf(row).hasAttribute("aria-current"));
}

function move(step) {
  const at = current();
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
  if (!next) return;
  linkOf(next).focus();
  next.scrollIntoView({ block: "nearest" });
}

function selected() {
  return rows.filter((row) => row.querySelector("input")?.checked);
}

function count() {
  const n = selected().length;
  if (counter) counter.textContent = n ? `${n}` : "";
}

function toggle() {
  const box = rows[current()]?.querySelector("input");
  if (!box) return;
  box.checked = !box.checked;
  count();
}

function act(action) {
  if (!form) return;
  const button = form.querySelector(`button[value=${action}]`);
  const box = rows[current()]?.querySelector("input");
  if (!selected().length && box) box.checked = true;
  if (button && selected().length) form.requestSubmit(button);
}

function flag() {
  const chosen = selected().length ? selected() : [rows[current()]].filter(Boolean);
  const all = chosen.every((row) => row.querySelector(".is-flagged"));
  act(all ? "unflag" : "flag");
}

function back() {
  const list = document.querySelector(".only-sm");
  if (list && list.offsetParent) location.href = list.href;
  else document.activeElement.blur();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  o: () => linkOf(rows[Math.max(0, current())] ?? document.body)?.click(),
  x: toggle,
  s: flag,
  i: () => act("read"),
  u: () => act("unread"),
  e: () => act("archive"),
  "#": () => act("delete"),
  z: () => document.querySelector(".toast form button")?.click(),
  Escape: back,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!("shortcuts" in document.body.dataset)) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

form?.addEventListener("change", count);
count();
