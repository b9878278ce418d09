// Toasts leave by themselves, but not while someone reads or uses them. A request that failed says so in one.

const STAYS = 8000; // ms; an undo must be reachable without hurry
const place = document.getElementById("toasts");

function leaveLater(toast) {
  let timer = setTimeout(() => toast.remove(), STAYS);
  const hold = () => clearTimeout(timer);
  const release = () => {
    clearTimeout(timer);
    timer = setTimeout(() => toast.remove(), STAYS);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", release);
  toast.addEventListener("focusout", release);
}

// base.html carries one toast a tone, so that mark and shape are drawn where all the others are.
function say(text, tone = "done") {
  const drawn = document.getElementById(`toast-${tone}`) ?? document.getElementById("toast-done");
  const toast = drawn.content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-words]").textContent = text;
  place.append(toast);
}

const FAILURES = {
  401: "You are signed out. Sign in again; nothing here was lost.",
  403: "You may not do this here.",
  404: "This is not there any more.",
  409: "Someone changed this meanwhile. Reload to see how it stands.",
  429: "Too many requests in a short time. Try again in a moment.",
};

// A form that came back with its errors (422) and a Problem that names its place are swapped; nothing else may replace
// what one was reading.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { status } = event.detail.xhr;
  if (status < 400 || status === 422 || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
  event.detail.shouldSwap = false;
  say(FAILURES[status] ?? `The server could not do this (${status}). Nothing was changed.`, "failed");
});
document.addEventListener("htmx:sendError", () => say("The server did not answer. Nothing was changed.", "failed"));
document.addEventListener("toast", (event) => say(event.detail.text ?? event.detail.value, event.detail.tone));

// What was taken back is done with: the word that offered it goes.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) event.detail.elt?.closest?.("[data-toast] form")?.closest("[data-toast]").remove();
});

document.addEventListener("click", (event) => {
  const toast = event.target.closest("[data-dismiss]")?.closest("[data-toast]");
  toast?.remove();
});

// Behind a modal dialog nothing is pressed or read out, so the toasts move into it; as a popover they lie over all of it.
function raise() {
  const host = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (place.parentElement !== host) host.append(place);
  if (place.matches(":popover-open")) place.hidePopover();
  if (place.childElementCount) place.showPopover();
}

if (place) {
  place.querySelectorAll("[data-toast]").forEach(leaveLater);
  raise();
  document.addEventListener("close", raise, true);
  document.addEventListener("htmx:afterSwap", () => place.isConnected || raise()); // its dialog was swapped away
  new MutationObserver((changes) => {
    const added = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node instanceof Element);
    added.forEach(leaveLater);
    if (added.length || !place.childElementCount) raise();
  }).observe(place, { childList: true });
}
