// Keys, declared where they act: data-key="i" on any link, button or field presses it (a field is focused).
//   data-key-name   what the overlay says; the element's own words unless given
//   data-rows       a list whose [data-row] children j and k walk, ← and → fold, Enter opens
//   data-opens      the id of a <dialog> that this button opens; data-close inside it closes
//   data-copy       text to copy, or the id of an element after "#"
// "?" lists every key of the page. Single keys can be switched off there (WCAG 2.1.4).

const KEY = "sightline-single-keys";
const SOURCE = [["j", "Next line"], ["k", "Line before"], ["p", "Place a probe on the current line"]];
const WALK = [["j", "Next row"], ["k", "Row before"], ["←", "Fold"], ["→", "Unfold"], ["Enter", "Open"]];

const singleKeys = () => {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
};

const typing = (target) =>
  target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]") !== null;

const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled;

function named(event) {
  if (event.key === " ") return "Space";
  const prefix = event.shiftKey && event.key.length > 1 ? "Shift+" : "";
  return prefix + event.key;
}

// The topmost open dialog takes the keys; behind it nothing acts.
const scope = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;

function press(name) {
  const found = [...scope().querySelectorAll(`[data-key="${CSS.escape(name)}"]`)].find(visible);
  if (!found) return false;
  if (found.matches("input, select, textarea")) {
    found.focus();
    found.select?.();
  } else {
    found.click();
  }
  return true;
}

// -- rows ---------------------------------------------------------------------------------------------------------

const rowsOf = (list) => [...list.querySelectorAll("[data-row]")].filter(visible);

function listFor(target) {
  return target.closest("[data-rows]") ?? [...scope().querySelectorAll("[data-rows]")].find(visible);
}

function walk(target, step) {
  const list = listFor(target);
  if (!list) return false;
  const rows = rowsOf(list);
  const from = rows.indexOf(target.closest("[data-row]"));
  const start = from < 0 ? rows.findIndex((row) => row.getAttribute("aria-current") === "true") : from;
  const next = rows[Math.min(rows.length - 1, Math.max(0, start + step))];
  if (!next) return false;
  if (!next.matches("a, button, summary") && !next.hasAttribute("tabindex")) next.tabIndex = -1;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function fold(target, open) {
  const details = target.closest("summary[data-row]")?.parentElement ?? target.closest("details");
  if (!details || !target.closest("[data-rows]")) return false;
  if (!open && !details.open) details.parentElement.closest("details")?.querySelector("summary")?.focus();
  details.open = open;
  if (!open) details.querySelector("summary")?.focus();
  return true;
}

function move(event, name) {
  if (name === "j" || name === "k") return walk(event.target, name === "j" ? 1 : -1);
  if (name === "ArrowLeft" || name === "ArrowRight") return fold(event.target, name === "ArrowRight");
  return false;
}

// -- the overlay --------------------------------------------------------------------------------------------------

const words = (element) => {
  if (element.dataset.keyName) return element.dataset.keyName;
  const copy = element.cloneNode(true);
  copy.querySelectorAll("kbd").forEach((kbd) => kbd.remove());
  return (copy.textContent.trim() || element.getAttribute("aria-label") || element.name || "").replace(/\s+/g, " ");
};

function entry(key, text) {
  const dt = document.createElement("dt");
  const kbd = document.createElement("kbd");
  kbd.textContent = key;
  dt.append(kbd);
  const dd = document.createElement("dd");
  dd.textContent = text;
  return [dt, dd];
}

function group(words, keys) {
  if (!keys.length) return [];
  const title = document.createElement("h3");
  title.textContent = words;
  return [title, ...keys.flatMap(([key, text]) => entry(key, text))];
}

function openKeys() {
  const overlay = document.getElementById("keys");
  const list = overlay.querySelector(".key-list");
  const here = new Map();
  for (const element of document.querySelectorAll("[data-key]")) {
    if (visible(element) && !here.has(element.dataset.key)) here.set(element.dataset.key, words(element));
  }
  list.replaceChildren(
    ...group("On this page", [...here]),
    ...group("In a list", document.querySelector("[data-rows]") ? WALK : []),
    ...group("In the source", document.querySelector("code-view") ? SOURCE : []),
    ...group("Everywhere", [["?", "These keys"], ["Esc", "Close what floats"]]),
  );
  overlay.querySelector("[data-keys-on]").checked = singleKeys();
  overlay.showModal();
}

// -- wiring -------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  const name = named(event);
  if (name === "?") {
    event.preventDefault();
    openKeys();
    return;
  }
  if (!singleKeys() && name.length === 1) return;
  // Space and Enter belong to the control that has the focus.
  if (["Space", "Enter"].includes(name) && event.target.closest("a, button, summary, input")) return;
  if (move(event, name) || press(name)) event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-keys-open], [data-opens], [data-close], [data-copy]");
  if (!target) return;
  if (target.matches("[data-keys-open]")) openKeys();
  if (target.dataset.opens) document.getElementById(target.dataset.opens)?.showModal();
  if (target.matches("[data-close]")) target.closest("dialog")?.close();
  if (target.dataset.copy !== undefined) await copy(target);
});

async function copy(target) {
  const wanted = target.dataset.copy;
  const text = wanted.startsWith("#") ? document.querySelector(wanted)?.textContent : wanted;
  await navigator.clipboard.writeText(text ?? "");
  document.dispatchEvent(new CustomEvent("toast", { detail: { text: "Copied." } }));
}

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-keys-on]")) return;
  try {
    localStorage.setItem(KEY, event.target.checked ? "on" : "off");
  } catch {
    // then they stay on
  }
});

// A form that answered inside a dialog with a success closes it; a 422 stays to be mended.
document.addEventListener("htmx:afterRequest", (event) => {
  const dialog = event.detail.elt?.closest?.("dialog");
  if (dialog?.open && event.detail.successful && event.detail.requestConfig?.verb === "post") {
    if (event.detail.elt.matches("form")) dialog.close();
  }
});
