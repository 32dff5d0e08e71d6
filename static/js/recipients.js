// The grid of rows: tick all, say how many are ticked, and edit a cell where it stands.

const all = document.querySelector("[data-all]");
const shown = document.querySelector("[data-selected]");
const boxes = [...document.querySelectorAll("input[name=id][type=checkbox]")];

function count() {
  const ticked = boxes.filter((box) => box.checked);
  for (const box of boxes) {
    box.closest("tr").toggleAttribute("aria-selected", false);
    if (box.checked) box.closest("tr").setAttribute("aria-selected", "true");
  }
  shown.hidden = ticked.length === 0;
  shown.textContent = `${ticked.length} ✓`;
  all.checked = ticked.length === boxes.length;
  all.indeterminate = ticked.length > 0 && !all.checked;
}

if (all && shown) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  for (const box of boxes) box.addEventListener("change", count);
  count();
}

const grid = document.querySelector("[data-edit]");

async function save(cell, input) {
  const row = cell.closest("tr");
  const token = document.querySelector("input[name=csrf_token]").value;
  const body = new URLSearchParams({ csrf_token: token, version: row.dataset.version });
  body.set(`cell-${cell.dataset.cell}`, input.value);
  cell.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(row.dataset.row, { method: "POST", body, redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload();
  } catch {
    // the sentence below says that it was not saved
  }
  cell.removeAttribute("aria-busy");
  const why = cell.querySelector("small") ?? cell.appendChild(document.createElement("small"));
  why.className = "why";
  why.textContent = grid.dataset.refused;
}

function edit(cell) {
  if (cell.querySelector("input")) return;
  const before = [...cell.childNodes];
  const input = document.createElement("input");
  input.className = "input input-sm";
  input.value = cell.dataset.text;
  input.setAttribute("aria-label", `${grid.dataset.edit} ${cell.dataset.cell}`);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") cell.replaceChildren(...before);
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (input.value === cell.dataset.text) cell.replaceChildren(...before);
    else save(cell, input);
  });
  cell.replaceChildren(input);
  input.focus();
  input.select();
}

grid?.addEventListener("click", (event) => {
  const cell = event.target.closest("[data-cell]");
  if (cell) edit(cell);
});
