// Comfort only: every page works without it.
"use strict";

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    navigator.clipboard.writeText("value" in source ? source.value : source.textContent).then(() => {
      const before = copy.textContent;
      copy.textContent = copy.dataset.done;
      setTimeout(() => { copy.textContent = before; }, 1500);
    });
  }
});

function offerCopies(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
}

// A file that is dropped on a form's area is that of its file field.
function onDrop(event, area) {
  const input = area.querySelector("input[type=file]");
  event.preventDefault();
  area.classList.remove("over");
  if (event.dataTransfer.files.length) {
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const area = event.target.closest && event.target.closest(".drop");
    if (!area) return;
    if (kind === "drop") onDrop(event, area);
    else { event.preventDefault(); area.classList.toggle("over", kind === "dragover"); }
  });
}

// A file that is too large is said to be so before it is sent.
document.addEventListener("change", (event) => {
  const input = event.target.closest("input[type=file][data-most]");
  if (!input) return;
  const large = input.files.length > 0 && input.files[0].size > Number(input.dataset.most);
  document.getElementById(`${input.id}-most`).hidden = !large;
  input.setCustomValidity(large ? document.getElementById(`${input.id}-most`).textContent : "");
});

// What is chosen at once: the region, a filter.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-send-on-change]");
  if (form) form.requestSubmit();
});

// The server is gone: say so, look for it, and come back. A form that was begun stays as it is.
const LOOK_EACH = 15000, LOOK_AGAIN = 2000;
let begun = false, looking = false;
document.addEventListener("input", () => { begun = true; });

function answers() {
  return fetch("/console/static/console.css", { cache: "no-store" }).then((answer) => answer.ok, () => false);
}

async function look() {
  const banner = document.getElementById("away");
  if (looking || !banner || document.hidden) return;
  looking = true;
  if (!await answers()) {
    banner.hidden = false;
    while (!await answers()) await new Promise((after) => { setTimeout(after, LOOK_AGAIN); });
    if (begun) banner.hidden = true;
    else location.reload();
  }
  looking = false;
}
setInterval(look, LOOK_EACH);
document.addEventListener("visibilitychange", look);
addEventListener("online", look);
addEventListener("offline", look);
document.addEventListener("htmx:sendError", look);

// Signed out meanwhile: a part of a page would show the sign-in page within itself.
document.addEventListener("htmx:beforeSwap", (event) => {
  const there = new URL(event.detail.xhr.responseURL || location.href).pathname;
  if (event.detail.xhr.status === 401 || there.endsWith("/sign-in")) {
    event.detail.shouldSwap = false;
    const here = location.pathname.replace("/console", "") + location.search;
    location.assign(`/console/sign-in?next=${encodeURIComponent(here)}`);
  }
  else if (event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
});

document.addEventListener("htmx:afterSwap", (event) => offerCopies(event.target));
offerCopies(document);
// A page that was left must not be shown again out of memory after signing out.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
