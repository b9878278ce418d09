// <live-chart data-series="…">: a moving series on uPlot, from the JSON of its attribute:
//   {"x": [unix seconds], "series": [{"label", "values": [number | null], "tone": "firing" | "pass" | "fail" | "ink", "dash": true}],
//    "unit": "%", "threshold": {"value", "label"}, "windows": [[from, to, label]], "marks": [[at, label]], "sight": at}
// null and missing stretches are hatched: no data is never zero. Colours are the page's tokens and follow the theme.
// add({x, values}) adds one reading; the oldest leaves, so that the window keeps its length.

const HEIGHT = 160;
const TONES = { firing: "--firing", pass: "--pass-mark", fail: "--fail-mark", ink: "--ink-2" };

// Canvas knows neither light-dark() nor var(): let a hidden element resolve them.
function token(name, host) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  host.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function hatch(color) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.strokeStyle = color;
  pen.beginPath();
  pen.moveTo(-1, 1);
  pen.lineTo(1, -1);
  pen.moveTo(0, 6);
  pen.lineTo(6, 0);
  pen.moveTo(5, 7);
  pen.lineTo(7, 5);
  pen.stroke();
  return tile;
}

// Stretches in which no series has a value, as pairs of x.
function gaps(x, series) {
  const found = [];
  let start = null;
  x.forEach((at, index) => {
    const known = series.some((values) => values[index] !== null && values[index] !== undefined);
    if (!known && start === null) start = x[Math.max(0, index - 1)];
    if (known && start !== null) {
      found.push([start, at]);
      start = null;
    }
  });
  if (start !== null) found.push([start, x.at(-1)]);
  return found;
}

class LiveChart extends HTMLElement {
  connectedCallback() {
    this.data = JSON.parse(this.dataset.series);
    this.draw = this.draw.bind(this);
    document.addEventListener("themechange", this.draw);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.draw);
    this.sizes = new ResizeObserver(() => this.plot?.setSize({ width: this.clientWidth, height: HEIGHT }));
    this.sizes.observe(this);
    this.draw();
  }

  disconnectedCallback() {
    document.removeEventListener("themechange", this.draw);
    this.scheme?.removeEventListener("change", this.draw);
    this.sizes?.disconnect();
    this.plot?.destroy();
  }

  get columns() {
    return [this.data.x, ...this.data.series.map(({ values }) => values)];
  }

  add({ x, values }) {
    this.data.x.push(x);
    this.data.x.shift();
    this.data.series.forEach((series, index) => {
      series.values.push(values[index] ?? null);
      series.values.shift();
    });
    if (!document.hidden) this.plot?.setData(this.columns);
  }

  draw() {
    this.plot?.destroy();
    this.colors = Object.fromEntries(
      ["--ink-3", "--line", "--line-strong", "--firing", "--accent", "--accent-soft", "--pass-mark", "--fail-mark",
        "--ink-2"].map((name) => [name, token(name, this)]),
    );
    this.font = getComputedStyle(this).fontFamily;
    this.plot = new uPlot(this.#options(), this.columns, this);
  }

  #options() {
    const axis = { stroke: this.colors["--ink-3"], font: `11px ${this.font}`, ticks: { show: false } };
    return {
      width: this.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: { y: { range: (_, low, high) => this.#range(low, high) } },
      axes: [
        { ...axis, size: 28, grid: { show: false }, space: 64,
          values: (_, ticks) => ticks.map((tick) => this.#clock(tick)) },
        { ...axis, size: 44, gap: 4, grid: { stroke: this.colors["--line"], width: 1, dash: [1, 3] },
          values: (_, ticks) => ticks.map((tick) => `${tick}${this.data.unit ? ` ${this.data.unit}` : ""}`) },
      ],
      series: [{}, ...this.data.series.map(({ label, tone, dash }) => ({
        label, stroke: this.colors[TONES[tone] ?? TONES.ink], width: 1.5, spanGaps: false, dash: dash ? [4, 3] : [],
        points: { show: (plot, index) => this.#sparse(index) },
      }))],
      hooks: { drawClear: [(plot) => this.#under(plot)], draw: [(plot) => this.#over(plot)] },
    };
  }

  // Values that stand alone between gaps make no line: they are shown as points.
  #sparse(index) {
    const values = this.columns[index];
    return values.some((value, at) => (value ?? null) !== null
      && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);
  }

  // Hours and minutes as the rest of the page says them; seconds only where they part the ticks.
  #clock(tick) {
    const time = new Date(tick * 1000).toISOString().slice(11, 19); // UTC, as the page's other times
    return time.endsWith(":00") ? time.slice(0, 5) : time;
  }

  #range(low, high) {
    const line = this.data.threshold?.value;
    const top = Math.max(high ?? 1, line ?? high ?? 1);
    const foot = Math.min(0, low ?? 0);
    return [foot, top + (top - foot) * 0.1 || 1];
  }

  #under(plot) {
    const { ctx: pen, bbox: box } = plot;
    const x = (at) => plot.valToPos(at, "x", true);
    pen.save();
    pen.fillStyle = this.colors["--accent-soft"];
    for (const [from, to] of this.data.windows ?? []) pen.fillRect(x(from), box.top, x(to) - x(from), box.height);
    pen.fillStyle = pen.createPattern(hatch(this.colors["--line-strong"]), "repeat");
    for (const [from, to] of gaps(this.data.x, this.columns.slice(1))) {
      pen.fillRect(x(from), box.top, x(to) - x(from), box.height);
    }
    pen.restore();
  }

  #over(plot) {
    const { ctx: pen, bbox: box } = plot;
    pen.save();
    pen.font = `${11 * devicePixelRatio}px ${this.font}`;
    pen.textAlign = "left";
    if (this.data.threshold) {
      const y = plot.valToPos(this.data.threshold.value, "y", true);
      this.#line(pen, [box.left, y], [box.left + box.width, y], "--firing", [4, 3]);
      pen.fillStyle = this.colors["--firing"];
      pen.fillText(this.data.threshold.label ?? "", box.left + 6, y - 5);
    }
    for (const [at, label] of this.data.marks ?? []) this.#upright(plot, at, label, "--ink-3", [2, 2]);
    if (this.data.sight) this.#upright(plot, this.data.sight, "", "--accent", []);
    pen.restore();
  }

  #upright(plot, at, label, color, dash) {
    const { ctx: pen, bbox: box } = plot;
    const x = plot.valToPos(at, "x", true);
    this.#line(pen, [x, box.top], [x, box.top + box.height], color, dash);
    pen.fillStyle = this.colors[color];
    pen.fillText(label, x + 6, box.top + 12 * devicePixelRatio);
  }

  #line(pen, [x1, y1], [x2, y2], color, dash) {
    pen.beginPath();
    pen.setLineDash(dash.map((length) => length * devicePixelRatio));
    pen.strokeStyle = this.colors[color];
    pen.lineWidth = devicePixelRatio;
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
  }
}

customElements.define("live-chart", LiveChart);
