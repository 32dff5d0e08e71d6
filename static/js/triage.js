// Keys of the triage page; everything they do is a form or a link that is there anyway.

const panes = document.querySelector("[data-pulse]");
let form, rows, counter;

function find() {
  form = document.querySelector("#bulk");
  rows = [...document.querySelectorAll(".mails > li")];
  counter = document.querySelector("[data-selected]");
  form?.addEventListener("change", count);
}

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

function label() {
  const menu = form?.querySelector(".work-menu");
  const box = rows[current()]?.querySelector("input");
  if (!menu || (!selected().length && !box)) return;
  if (!selected().length) box.checked = true;
  count();
  menu.open = true;
  menu.querySelector("[data-label]").focus();
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
  r: () => document.querySelector("[aria-keyshortcuts=r]")?.click(),
  e: () => act("archive"),
  "#": () => act("delete"),
  d: () => act(form?.querySelector("button[value=done]") ? "done" : "reopen"),
  a: () => act("mine"),
  l: label,
  z: () => document.querySelector(".toast form button")?.click(),
  Escape: back,
};

let armed = 0; // g begins the keys that lead to other pages

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!("shortcuts" in document.body.dataset)) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  if (event.key === "g") armed = Date.now();
  if (Date.now() - armed < 1500) return;
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// New mail and changed flags: asked for every two seconds while the page is seen. What
// was chosen, and where the focus is, stays.

let known = panes?.dataset.pulse;

function replaceList(fresh) {
  const chosen = selected().map((row) => row.querySelector("input").value);
  const active = document.activeElement;
  const focused = active.closest(".mails") && (active.value ?? active.getAttribute("href"));
  const both = document.querySelector(".mails") && fresh.querySelector(".mails");
  for (const name of [both ? ".mails" : "#list", ".pane-folders", "#looking"]) {
    const old = document.querySelector(name);
    const next = fresh.querySelector(name);
    if (!old || !next || (old.contains(active) && !focused)) continue;
    old.replaceWith(next);
  }
  find();
  for (const row of rows) {
    const box = row.querySelector("input");
    if (box) box.checked = chosen.includes(box.value);
    for (const one of [box, linkOf(row)]) {
      if (focused && (one?.value ?? one?.getAttribute("href")) === focused) one.focus();
    }
  }
  count();
}

async function beat() {
  if (document.hidden || document.querySelector("#list details[open]")) return;
  try {
    const answer = await fetch(panes.dataset.pulseUrl);
    if (!answer.ok) return;
    const { pulse } = await answer.json();
    if (String(pulse) === known) return;
    const page = await fetch(location.href);
    if (!page.ok) return;
    replaceList(new DOMParser().parseFromString(await page.text(), "text/html"));
    known = String(pulse);
  } catch {
    // The network is away; the next beat tries again.
  }
}

find();
count();
if (panes) setInterval(beat, 2000);
