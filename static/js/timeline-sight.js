// <timeline-sight> round the timeline's SVG: a crosshair that follows the pointer or the arrow keys, and takes the capture
// nearest to it. The sight itself (the accent line) moves only when a capture is chosen.

const shareOf = (text) => Number.parseFloat(text) / 100;

class TimelineSight extends HTMLElement {
  #index = -1;

  connectedCallback() {
    this.plot = this.querySelector("svg.plot");
    this.hover = this.querySelector("[data-hover]");
    this.moments = JSON.parse(this.dataset.moments);
    for (const name of ["pointermove", "pointerleave", "keydown", "click"]) this.plot.addEventListener(name, this);
    document.addEventListener("click", this.#chosen);
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#chosen);
  }

  handleEvent(event) {
    if (event.type === "pointerleave") this.hide();
    else if (event.type === "pointermove") this.point(this.nearest(event));
    else if (event.type === "keydown") this.#key(event);
    else if (!event.target.closest("a")) this.choose(this.nearest(event));
  }

  nearest(event) {
    const box = this.plot.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    let best = -1;
    this.moments.forEach((moment, index) => {
      const distance = Math.abs(shareOf(moment.x) - share);
      if (best < 0 || distance < Math.abs(shareOf(this.moments[best].x) - share)) best = index;
    });
    return best;
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const from = this.#index < 0 ? this.moments.length : this.#index;
      this.point(Math.min(this.moments.length - 1, Math.max(0, from + step)));
    } else if (event.key === "Enter") this.choose(this.#index);
    else if (event.key === "Escape") this.hide();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  point(index) {
    const moment = this.moments[index];
    if (!moment) return;
    this.#index = index;
    const line = this.hover.querySelector("line");
    line.setAttribute("x1", moment.x);
    line.setAttribute("x2", moment.x);
    const text = this.hover.querySelector("text");
    text.setAttribute("x", moment.x);
    text.setAttribute("dx", shareOf(moment.x) > 0.85 ? -6 : 6);
    text.setAttribute("class", shareOf(moment.x) > 0.85 ? "ink finish" : "ink");
    text.textContent = moment.text;
    this.hover.removeAttribute("hidden");
  }

  hide() {
    this.#index = -1;
    this.hover.setAttribute("hidden", "");
  }

  // A moment that carries a capture opens it; the page's own row is pressed, so that one path does it.
  choose(index) {
    const capture = this.moments[index]?.capture;
    const row = capture && document.querySelector(`[data-capture="${CSS.escape(capture)}"]`);
    if (row instanceof HTMLElement) row.click();
    else if (this.moments[index]?.url) location.assign(this.moments[index].url);
  }

  // A capture chosen in the stream moves the sight there and becomes the chosen row.
  #chosen = (event) => {
    const row = event.target.closest?.("a[data-capture]");
    if (!row) return;
    document.querySelectorAll("a[data-capture][aria-current]").forEach((old) => old.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "true");
    const moment = this.moments.find(({ capture }) => capture === row.dataset.capture);
    if (moment) this.sight(moment.x, `${moment.text} ${row.dataset.outcome === "fail" ? "✕ FAIL" : "✓ PASS"}`);
  };

  sight(x, words) {
    const sight = this.querySelector("[data-sight]");
    if (!sight) return;
    const line = sight.querySelector(".sightline");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    const left = shareOf(x) > 0.5;
    const width = 6.25 * words.length + 14;
    sight.querySelector("svg").setAttribute("x", x);
    const head = sight.querySelector(".sight-head");
    head.setAttribute("width", width);
    head.setAttribute("x", left ? -width + 0.75 : -0.75);
    const label = sight.querySelector(".sight-label");
    label.setAttribute("class", left ? "sight-label finish" : "sight-label");
    label.setAttribute("x", left ? -8 : 8);
    label.textContent = words;
  }
}

customElements.define("timeline-sight", TimelineSight);
