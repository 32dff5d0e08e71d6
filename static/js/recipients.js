// The grid of rows: tick all, and say how many are ticked.

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
