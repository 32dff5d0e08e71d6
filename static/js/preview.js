// The editor: placeholders at the cursor, a live preview, Ctrl+S.

const editor = document.getElementById("editor");

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && editor) {
    event.preventDefault();
    editor.requestSubmit();
  }
});

if (editor) {
  const stale = document.querySelector("[data-stale]");
  const stage = document.querySelector("[data-stage]");
  const fragment = document.querySelector("[data-draft-fragment]");
  const button = editor.querySelector("[data-draft-button]");
  const format = editor.elements.format;
  let field = editor.elements.html;
  let timer = 0;
  let asked = 0;

  // Only the fields of the chosen format.
  const choose = () => {
    for (const part of editor.querySelectorAll("[data-formats]")) {
      part.hidden = !part.dataset.formats.split(" ").includes(format.value);
    }
  };
  format.addEventListener("change", choose);
  choose();

  // Placeholders go where the cursor was last.
  editor.addEventListener("focusin", ({ target }) => {
    if (["subject", "preview_text", "html", "text"].includes(target.name)) field = target;
  });
  for (const insert of editor.querySelectorAll("[data-insert]")) {
    insert.disabled = false;
    insert.addEventListener("click", () => {
      const into = field.closest("[hidden]") ? editor.elements.text : field;
      into.focus();
      into.setRangeText(insert.dataset.insert, into.selectionStart, into.selectionEnd, "end");
      into.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // A finding's change is made in the text that is being written.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-fix]");
    if (!form) return;
    event.preventDefault();
    const { part, at, old, new: put } = Object.fromEntries(new FormData(form));
    const into = editor.elements[part];
    const start = Number(at);
    if (into.value.slice(start, start + old.length) !== old) return;
    into.setRangeText(put, start, start + old.length, "end");
    into.focus();
    into.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // A fresh frame takes over when it has loaded, so that the last picture stays till then.
  const showFrame = () => {
    const shown = stage.querySelector("iframe");
    const next = shown.cloneNode();
    next.removeAttribute("src");
    next.name = `draft-${asked}`;
    next.classList.add("vh");
    stage.append(next);
    next.addEventListener("load", () => {
      for (const old of stage.querySelectorAll("iframe")) if (old !== next) old.remove();
      next.classList.remove("vh");
    });
    button.formTarget = next.name;
    editor.requestSubmit(button);
  };

  const update = async () => {
    const mine = (asked += 1);
    fragment.setAttribute("aria-busy", "true");
    try {
      const body = new FormData(editor);
      const answer = await fetch(editor.dataset.draft, { method: "POST", body });
      if (!answer.ok || mine !== asked) return;
      const { ok, fragment: html } = await answer.json();
      if (mine !== asked) return;
      fragment.innerHTML = html;
      stale.hidden = ok;
      if (ok) showFrame();
    } catch {
      stale.hidden = false;
    } finally {
      if (mine === asked) fragment.removeAttribute("aria-busy");
    }
  };

  if (button) {
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(update, 600);
    };
    editor.addEventListener("input", soon);
    document.getElementById("row")?.addEventListener("input", soon);
    button.hidden = true;
  }

  // Leaving with unsaved words asks first.
  let saved = true;
  editor.addEventListener("input", () => (saved = false));
  editor.addEventListener("submit", (event) => {
    if (event.submitter !== button) saved = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });
}
