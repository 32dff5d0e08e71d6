// Keys of the triage page; everything they do is a form or a link that is there anyway.

let panes, form, rows, counter;

function find() {
  panes = document.querySelector("[data-pulse]");
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

let known;

function parsed(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

function replaceList(fresh) {
  const chosen = selected().map((row) => row.querySelector("input").value);
  const active = document.activeElement;
  const focused = active.closest(".mails") && (active.value ?? active.getAttribute("href"));
  const both = document.querySelector(".mails") && fresh.querySelector(".mails");
  for (const name of [both ? ".mails" : "#list", ".pane-folders", "#looking"]) {
    const old = document.querySelector(name);
    const next = fresh.querySelector(name);
    if (!old || !next || (old.contains(active) && !focused && both)) continue;
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
  if (waiting.length) return flush();
  if (!panes || document.hidden || document.querySelector("#list details[open]")) return;
  try {
    const answer = await fetch(panes.dataset.pulseUrl);
    if (!answer.ok) return;
    const { pulse } = await answer.json();
    if (String(pulse) === known) return;
    const page = await fetch(location.href);
    const text = await page.text();
    if (!page.ok || waiting.length) return;
    replaceList(parsed(text));
    known = String(pulse);
  } catch {
    // The network is away; the next beat tries again.
  }
}

// What is done with chosen mails is seen at once and sent behind. The page that the server
// answers with is the truth: it takes back what was refused, and says why. What cannot be
// sent waits, visibly, and goes out in its order.

const waiting = [];
let sending = false;

function seem(action) {
  const done = selected();
  const inside = document.activeElement.closest(".mails");
  for (const row of done) {
    const flag = row.querySelector(".is-flagged");
    row.querySelector("input").checked = false;
    if (action === "read" || action === "unread") linkOf(row).className = action;
    if (action === "unflag") flag?.remove();
    if (action === "flag" && !flag) {
      const mark = row.querySelector(".side-icons").appendChild(document.createElement("b"));
      Object.assign(mark, { className: "is-flagged", textContent: "\u2691" });
    }
    row.hidden = ["archive", "delete", "move"].includes(action);
  }
  if (inside && done.at(-1)?.hidden) {
    const next = rows.indexOf(done.at(-1)) + 1;
    linkOf(rows.slice(next).find((row) => !row.hidden) ?? rows[0]).focus();
  }
  count();
}

function say() {
  const note = document.querySelector("[data-waiting]");
  if (!note) return;
  note.hidden = !waiting.length;
  note.querySelector("span").textContent = note.dataset.waiting.replace("{n}", waiting.length);
}

function show(answer, text) {
  const fresh = parsed(text);
  if (new URL(answer.url).pathname === "/login") location.assign(answer.url);
  const toasts = fresh.querySelector(".toasts");
  if (toasts) document.querySelector(".toasts").replaceWith(toasts);
  for (const button of document.querySelectorAll("[data-dismiss]")) button.hidden = false;
  if (waiting.length) return;
  const isList = fresh.querySelector("[data-pulse]");
  if (isList && answer.url === location.href.split("#")[0]) return replaceList(fresh);
  document.querySelector("#main").replaceWith(fresh.querySelector("#main"));
  document.title = fresh.title;
  if (isList) history.pushState(null, "", answer.url);
  find();
  count();
  document.querySelector("#main .btn-danger")?.focus();
}

async function flush() {
  if (sending) return;
  sending = true;
  try {
    while (waiting.length) {
      const { url, body } = waiting[0];
      const answer = await fetch(url, { method: "POST", body, keepalive: true });
      if (answer.status > 501) break;
      const text = await answer.text();
      waiting.shift();
      show(answer, text);
    }
  } catch {
    // The network is away; the next beat tries again.
  }
  sending = false;
  say();
}

document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target.id !== "bulk" || !submitter?.name) return;
  event.preventDefault();
  if (submitter.closest("details")) submitter.closest("details").open = false;
  const body = new URLSearchParams(new FormData(target, submitter));
  waiting.push({ url: submitter.getAttribute("formaction") ?? target.action, body });
  seem(submitter.value);
  flush();
});

addEventListener("online", flush);
addEventListener("popstate", () => location.reload());
addEventListener("beforeunload", (event) => {
  if (document.querySelector("[data-waiting]:not([hidden])")) event.preventDefault();
});

find();
count();
known = panes?.dataset.pulse;
if (panes) setInterval(beat, 2000);
