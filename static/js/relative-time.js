// <relative-time><time datetime="…">14 m</time> ago</relative-time>: keeps the words true while the page stays open.
// With data-count it counts down to the second: "4:20".

const STEPS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

function since(seconds) {
  const count = Math.abs(seconds);
  const [step, unit] = STEPS.find(([size]) => count >= size) ?? [1, "s"];
  const text = `${Math.floor(count / step)}\u202f${unit}`;
  return seconds < 0 ? `in ${text}` : text;
}

function countdown(seconds) {
  const left = Math.max(0, Math.round(seconds));
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor((left % 3600) / 60);
  const rest = String(left % 60).padStart(2, "0");
  return hours ? `in ${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `in ${minutes}:${rest}`;
}

class RelativeTime extends HTMLElement {
  static all = new Set();
  static timer = null;

  static tick() {
    if (document.hidden) return;
    for (const element of RelativeTime.all) element.paint();
  }

  connectedCallback() {
    RelativeTime.all.add(this);
    RelativeTime.timer ??= setInterval(RelativeTime.tick, 1000);
    this.paint();
  }

  disconnectedCallback() {
    RelativeTime.all.delete(this);
    if (RelativeTime.all.size) return;
    clearInterval(RelativeTime.timer);
    RelativeTime.timer = null;
  }

  paint() {
    const time = this.querySelector("time");
    const then = Date.parse(time?.dateTime ?? "");
    if (Number.isNaN(then)) return;
    const seconds = (Date.now() - then) / 1000;
    const text = this.hasAttribute("data-count") ? countdown(-seconds) : since(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}

customElements.define("relative-time", RelativeTime);
