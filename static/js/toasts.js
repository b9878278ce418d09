// Toasts leave by themselves, but not while someone reads or uses them. A request that failed says so in one.

const STAYS = 8000; // ms; an undo must be reachable without hurry

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

export function say(text, tone = "") {
  const toast = document.createElement("div");
  toast.className = `toast ${tone}`;
  toast.dataset.toast = "";
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button plain";
  close.dataset.dismiss = "";
  close.textContent = "Dismiss";
  toast.append(document.createElement("span"), words, close);
  document.getElementById("toasts")?.append(toast);
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

document.addEventListener("click", (event) => {
  const toast = event.target.closest("[data-dismiss]")?.closest("[data-toast]");
  toast?.remove();
});

const place = document.getElementById("toasts");
if (place) {
  place.querySelectorAll("[data-toast]").forEach(leaveLater);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) leaveLater(node);
    }
  }).observe(place, { childList: true });
}
