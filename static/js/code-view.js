// <code-view> round a table of source: j and k move a current line, p opens the probe sheet there, v hides last values.
// Without it the gutter's links still lead to the sheet as a page.

class CodeView extends HTMLElement {
  connectedCallback() {
    this.addEventListener("keydown", this);
    this.addEventListener("click", this);
    document.addEventListener("click", this.#values);
    // Only its own pane scrolls: where the page is one column, the reader stays at its top.
    const here = this.current;
    if (here && this.scrollHeight > this.clientHeight) this.scrollTop = here.offsetTop - this.clientHeight / 2;
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#values);
  }

  get lines() {
    return [...this.querySelectorAll("tr[data-line]")];
  }

  get current() {
    return this.querySelector("tr[data-line][aria-current]");
  }

  // Selection is a tint, focus a ring: the line that has the keys is both.
  select(line) {
    if (!line) return;
    this.current?.classList.remove("here");
    this.current?.removeAttribute("aria-current");
    line.classList.add("here");
    line.setAttribute("aria-current", "true");
    line.tabIndex = -1;
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
    history.replaceState(history.state, "", `#${line.id}`);
  }

  move(step) {
    const lines = this.lines;
    const from = lines.indexOf(this.current);
    this.select(lines[Math.min(lines.length - 1, Math.max(0, from + step))]);
  }

  // A line that cannot carry a probe has no button: say so, rather than do nothing.
  place() {
    const button = this.current?.querySelector("[data-place], .dot a, .dot button");
    if (button) {
      button.click();
      return;
    }
    const text = this.current?.querySelector(".text")?.title || "No probe can stand on this line.";
    document.dispatchEvent(new CustomEvent("toast", { detail: { text, tone: "warned" } }));
  }

  handleEvent(event) {
    if (event.type === "click") return this.#clicked(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const act = { j: () => this.move(1), k: () => this.move(-1), p: () => this.place() }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #clicked(event) {
    const line = event.target.closest("tr[data-line]");
    if (event.target.closest("[data-place]")) {
      document.getElementById("probe-sheet")?.showModal();
    }
    if (line && event.target.closest(".no, [data-place]")) {
      if (event.target.closest(".no")) event.preventDefault();
      this.select(line);
    }
  }

  #values = (event) => {
    if (event.target.closest("[data-values]")) this.toggleAttribute("data-plain");
  };
}

customElements.define("code-view", CodeView);
