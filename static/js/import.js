// An import at work: the bar and the figures follow, and the page comes anew at the end.

const card = document.querySelector("[data-import]");
const bar = card.querySelector("[data-bar]");
const words = card.querySelector("[data-words]");
let wait = 1000;

function show(told) {
  bar.setAttribute("aria-valuenow", told.percent);
  bar.querySelector("rect").setAttribute("width", `${told.percent}%`);
  words.textContent = words.textContent.replace(/^[\d.]+/, told.percent);
  for (const cell of card.querySelectorAll("[data-count]")) {
    const figure = String(told[cell.dataset.count]).replace(/\B(?=(\d{3})+$)/g, "\u202f");
    if (cell.textContent !== figure) cell.textContent = figure;
  }
}

async function look() {
  try {
    const answer = await fetch(card.dataset.import, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const told = await answer.json();
      if (told.stop || told.state !== card.dataset.state) location.reload();
      else show(told);
      wait = Math.min(wait * 1.2, 5000);
    }
  } catch {
    wait = Math.min(wait * 2, 30000);
  }
  setTimeout(look, document.hidden ? 5000 : wait);
}

setTimeout(look, wait);
