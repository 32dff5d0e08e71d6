// Works out what the chosen time and speed come to, while somebody chooses.

const form = document.getElementById("send-form");
let timer = 0;

async function workOut() {
  const chosen = new URLSearchParams(new FormData(form));
  chosen.delete("csrf_token");
  chosen.set("fragment", "estimate");
  const answer = await fetch(`${location.pathname}?${chosen}`, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("estimate");
  document.getElementById("estimate")?.replaceWith(document.importNode(fresh, true));
}

form?.addEventListener("input", (event) => {
  if (event.target.name === "scheduled_at" && event.target.value) {
    form.querySelector('[name="when"][value="at"]').checked = true;
  }
  const words = document.getElementById("send-button").dataset[form.elements.when.value];
  document.querySelector("#send-button span").textContent = words;
  clearTimeout(timer);
  timer = setTimeout(workOut, 300);
});
if (form) document.getElementById("work-out").hidden = true;
