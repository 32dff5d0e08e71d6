// Keeps a live page up to date: asks for the status, and only when it changed for the
// ready-made pieces of the page. It replaces what differs, never what holds the focus.

const root = document.querySelector("[data-live-page]");
const FAST = 2000;
const SLOW = 15000;
const RETRY = [2, 4, 8, 16, 30];
const SAY_EVERY = 15000;
const MARKS = [25, 50, 75, 100];

let wait = FAST;
let failures = 0;
let timer = 0;
let etag = "";
let off = false;
let updated = Date.now();
let said = { at: 0, percent: 0, failed: 0 };

function plan(ms) {
  clearTimeout(timer);
  if (!off && !document.hidden) timer = setTimeout(poll, ms);
}

async function poll() {
  try {
    const changed = await update();
    failures = 0;
    updated = Date.now();
    age("");
    // Answers come after a campaign has ended, so its page goes on asking, seldom.
    if (root.dataset.liveStop === "stop" && !root.dataset.liveStatus) return;
    wait = changed ? FAST : Math.min(wait * 1.5, SLOW);
    plan(wait);
  } catch (error) {
    if (error === "sign-in") return signIn();
    const seconds = RETRY[Math.min(failures, RETRY.length - 1)];
    failures += 1;
    const ago = Math.round((Date.now() - updated) / 1000);
    age(`Last updated ${ago} s ago. Connection lost, trying again in ${seconds} s.`);
    plan(seconds * 1000);
  }
}

async function ask(address, headers = {}) {
  const answer = await fetch(address, { headers, credentials: "same-origin", cache: "no-store" });
  if (answer.status === 401 || answer.redirected) throw "sign-in";
  if (!answer.ok && answer.status !== 304) throw "error";
  return answer;
}

async function update() {
  const { liveStatus, livePage } = root.dataset;
  if (liveStatus) {
    const answer = await ask(liveStatus, etag ? { "If-None-Match": etag } : {});
    if (answer.status === 304) return false;
    etag = answer.headers.get("ETag") ?? "";
    const status = await answer.json();
    say(status);
    if (status.stop) root.dataset.liveStop = "stop";
  }
  const text = await (await ask(livePage)).text();
  return replace(new DOMParser().parseFromString(text, "text/html"));
}

function replace(fresh) {
  const whole = fresh.querySelector("[data-live-page]");
  if (whole) return swapWhole(whole);
  let changed = false;
  for (const piece of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(piece.id);
    if (old) changed = swap(old, piece) || changed;
  }
  const rows = document.getElementById("rows");
  const freshRows = fresh.getElementById("rows");
  const waiting = document.getElementById("messages");
  const freshMessages = fresh.getElementById("messages");
  if (rows && freshRows) {
    if (ids(rows) !== ids(freshRows)) changed = swap(rows, freshRows) || changed;
  } else if (waiting && freshMessages) changed = swap(waiting, freshMessages) || changed;
  const title = document.getElementById("progress")?.dataset.title;
  if (title) document.title = title;
  dress();
  return changed;
}

// A page that is one piece (the check) is swapped as one; when it is done, all of it is new.
function swapWhole(piece) {
  const old = document.getElementById(piece.id);
  if (piece.dataset.liveStop === "stop") location.reload();
  return swap(old, piece, [...piece.childNodes]);
}

function swap(old, piece, inside = null) {
  if (old.outerHTML === piece.outerHTML || old.contains(document.activeElement)) return false;
  const open = [...old.querySelectorAll("details[open]")].map((one) => one.id);
  if (inside) old.replaceChildren(...inside);
  else old.replaceWith(document.importNode(piece, true));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  return true;
}

function ids(rows) {
  return [...rows.children].map((row) => row.id).join();
}

// One polite sentence: rarely, but at each quarter and at the first failure.
function say(status) {
  const place = document.getElementById("live-words");
  if (!place) return;
  const failed = status.counts.failed;
  const mark = MARKS.some((one) => said.percent < one && status.percent >= one);
  const first = failed > 0 && said.failed === 0;
  const late = Date.now() - said.at > SAY_EVERY && status.percent !== said.percent;
  if (!(mark || first || late) || status.state === "draft") return;
  said = { at: Date.now(), percent: status.percent, failed };
  const sent = status.dry_run ? "sent (dry run)" : "sent";
  place.textContent = `${status.percent} %: ${status.counts.sent} ${sent}, ${failed} failed.`;
}

function age(words) {
  const place = document.querySelector("[data-live-age]");
  if (place && words) place.textContent = words;
}

function signIn() {
  const place = document.querySelector("[data-live-age]") ?? root;
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Your session ended. Sign in to go on watching.";
  place.replaceChildren(link);
}

// The link "Refresh" becomes the switch that stops and starts the updates.
function dress() {
  const link = document.querySelector("[data-live-switch]");
  if (!link) return;
  link.textContent = off ? link.dataset.on : link.dataset.off;
  link.onclick = (event) => {
    event.preventDefault();
    off = !off;
    link.textContent = off ? link.dataset.on : link.dataset.off;
    if (off) clearTimeout(timer);
    else poll();
  };
}

// The hold time runs down by the second; at its end the page asks what became of it.
function countDown() {
  const place = document.querySelector("[data-live-hold]");
  if (!place) return;
  const left = Math.max(0, Number(place.dataset.liveHold) - 1);
  const heading = place.querySelector("h3");
  if (heading) heading.textContent = heading.textContent.replace(/\d+/, left);
  place.dataset.liveHold = left;
  if (left === 0) plan(500);
}

if (root && root.dataset.liveStop !== "stop") {
  dress();
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : plan(0)));
  setInterval(countDown, 1000);
  plan(root.dataset.liveStatus ? FAST : 700);
}
