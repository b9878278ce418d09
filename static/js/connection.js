// <live-connection data-socket="/ws/…/">: the page's one websocket. It says what it is doing, pauses, hides, comes back,
// and never paints under the pointer. Held rows are counted, not kept: the table is asked again from the cursor.
//
// Client to server, JSON text:
//   {"resume": {"captures": 214, "timeline": 88}, "paused": false, "hidden": false}
//       on every open, pause, unpause, hide, return, "show", and when a hole is seen. The numbers are the cursors of the
//       newest painted rows. The server forgets what it sent before and goes on from these.
//   {"beat": true}
//       every 25 s. Both are answered by at least one frame, if only an empty one: silence means the line is dead.
//
// Server to client, HTML text, any number of top-level elements a frame:
//   a batch of rows:  <div data-live="captures" data-from="207" data-cursor="214" data-newer="7" data-failing="1">rows</div>
//       `from` is the cursor the batch continues, `cursor` its newest row's. Rows stand in display order and have stable
//       ids. With no children it only counts (paused, or too many: then the client asks when it is told to show).
//       data-replace: the rows replace the whole list, because more were missed than a list holds.
//   anything else:    an element with an id and hx-swap-oob, as htmx swaps it (a verdict, a slip, a count).
//   While "paused" the server sends counts only, while "hidden" nothing. Each resume that is neither is answered by the
//   missing rows of every list and by every other live element whole, so that nothing is missed.
//   Close codes: 4401 signed out, 4403 not allowed, 4404 gone: the client does not try again.
//
// In the page: <ol data-live="captures" data-cursor="207" data-cap="200"> (data-grow="down": newest last), a bar
// [data-live-newer="captures"] from components/newer.html, and [data-live-empty] inside a list that is empty.

const BEAT = 25_000;
const PATIENCE = 10_000;
const LONGEST_WAIT = 30_000;
const SPEAK_EVERY = 5_000;
const SETTLE = 200;
const FINAL = { 4401: "Signed out", 4403: "Not allowed", 4404: "Gone" };
const PROCESSED = ":is([hx-get], [hx-post], [hx-trigger]), :has([hx-get], [hx-post], [hx-trigger])";
const WORDS = { connecting: "Connecting", live: "Live", paused: "Paused", lost: "No link" };

const lists = () => [...document.querySelectorAll("[data-live]")];
const listNamed = (name) => document.querySelector(`[data-live="${CSS.escape(name)}"]`);
const hovers = matchMedia("(hover: hover)");
const inUse = (element) =>
  element.contains(document.activeElement) || (hovers.matches && element.matches(":hover"));
const atStart = (list) =>
  list.dataset.grow === "down"
    ? list.scrollHeight - list.scrollTop - list.clientHeight < 8
    : list.scrollTop < 8;

class LiveConnection extends HTMLElement {
  #socket = null;
  #attempt = 0;
  #paused = false;
  #timers = {};
  #waiting = new Map(); // list name -> {cursor, rows, failing} that are not painted
  #showing = new Set(); // lists whose next batch someone asked to see
  #deferred = new Map(); // id -> HTML that waits for the pointer or the focus to leave
  #unspoken = { rows: 0, failing: 0 };

  connectedCallback() {
    this.#listen(document, "visibilitychange", () => (document.hidden ? this.#tell() : this.#return()));
    this.#listen(window, "online", () => this.#return());
    this.#listen(document, "click", (event) => this.#clicked(event));
    for (const name of ["pointerout", "focusout", "scrollend"]) {
      this.#listen(document, name, () => this.#later("settle", SETTLE, () => this.#settle()), true);
    }
    this.#connect();
  }

  disconnectedCallback() {
    this.#abort.abort();
    Object.values(this.#timers).forEach(clearTimeout);
    this.#socket?.close();
    this.#socket = null;
  }

  // -- the line ---------------------------------------------------------------------------------------------------

  #abort = new AbortController();

  #listen(target, name, act, capture = false) {
    target.addEventListener(name, act, { capture, signal: this.#abort.signal });
  }

  #later(name, delay, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(act, delay);
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    const address = new URL(this.dataset.socket, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.#state("connecting");
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", ({ data }) => this.#received(data));
    socket.addEventListener("close", ({ code }) => socket === this.#socket && this.#closed(code));
  }

  #opened() {
    this.#attempt = 0;
    this.#state(this.#paused ? "paused" : "live");
    this.#tell();
    this.#beatLater();
  }

  #closed(code) {
    clearTimeout(this.#timers.beat);
    clearTimeout(this.#timers.patience);
    this.#socket = null;
    if (FINAL[code]) {
      this.#state("refused", FINAL[code]);
      return;
    }
    // Full jitter: a restarted server is not met by every page at once.
    const wait = Math.random() * Math.min(LONGEST_WAIT, 1000 * 2 ** this.#attempt) + 250;
    this.#attempt += 1;
    this.#state("lost", this.#attempt > 1 ? `No link, trying again in ${Math.ceil(wait / 1000)} s` : WORDS.lost);
    this.#later("retry", wait, () => this.#connect());
  }

  #return() {
    if (this.dataset.state === "refused") return;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#tell();
    else if (this.#socket === null) this.#connect();
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
    if (!document.hidden) this.#later("patience", PATIENCE, () => this.#dead());
  }

  // A line that does not answer may stay "open" for minutes; leave it behind instead of waiting for its end.
  #dead() {
    const socket = this.#socket;
    this.#closed(0);
    socket?.close();
  }

  #tell() {
    const resume = Object.fromEntries(lists().map((list) => [list.dataset.live, Number(list.dataset.cursor)]));
    this.#send({ resume, paused: this.#paused, hidden: document.hidden });
  }

  #beatLater() {
    this.#later("beat", BEAT, () => {
      if (!document.hidden) this.#send({ beat: true });
      this.#beatLater();
    });
  }

  // -- what arrives -----------------------------------------------------------------------------------------------

  #received(text) {
    clearTimeout(this.#timers.patience);
    if (!text || document.hidden) return;
    const parsed = document.createElement("template"); // inert: nothing in it loads or runs
    parsed.innerHTML = text;
    for (const piece of [...parsed.content.children]) {
      if (piece.dataset.live) this.#batch(piece);
      else if (!this.#paused) this.#swap(piece);
    }
  }

  #swap(piece) {
    const target = piece.id && document.getElementById(piece.id);
    if (piece.id && !target) return; // news of a row that is not painted
    if (target && inUse(target)) {
      this.#deferred.set(piece.id, piece.outerHTML);
      return;
    }
    this.#deferred.delete(piece.id);
    htmx.swap(document.body, piece.outerHTML, { swapStyle: "none" });
  }

  #batch(piece) {
    const list = listNamed(piece.dataset.live);
    const cursor = Number(piece.dataset.cursor);
    if (!list || cursor <= Number(list.dataset.cursor)) return; // painted already
    if (!this.#mayPaint(list, piece)) {
      this.#hold(list, piece, cursor);
    } else if (Number(piece.dataset.from) > Number(list.dataset.cursor) && !("replace" in piece.dataset)) {
      this.#tell(); // a hole: ask from what is painted
    } else {
      this.#paint(list, piece, cursor);
    }
  }

  #mayPaint(list, piece) {
    const name = list.dataset.live;
    if (this.#paused || !piece.children.length) return false;
    if (this.#showing.has(name)) return true;
    return !this.#waiting.has(name) && atStart(list) && !inUse(list);
  }

  #hold(list, piece, cursor) {
    const name = list.dataset.live;
    const painted = Number(list.dataset.cursor);
    const whole = Number(piece.dataset.from) <= painted; // it counts everything that is not painted, again
    const held = (!whole && this.#waiting.get(name)) || { cursor: painted, rows: 0, failing: 0 };
    if (cursor <= held.cursor) return;
    held.rows += Number(piece.dataset.newer ?? piece.children.length);
    held.failing += Number(piece.dataset.failing ?? 0);
    held.cursor = cursor;
    this.#waiting.set(name, held);
    this.#bar(name);
    this.#later("settle", SETTLE, () => this.#settle());
  }

  #paint(list, piece, cursor) {
    const name = list.dataset.live;
    const rows = [...piece.children];
    if ("replace" in piece.dataset) list.replaceChildren();
    list.querySelector("[data-live-empty]")?.remove();
    const down = list.dataset.grow === "down";
    const anchor = down ? null : list.firstElementChild;
    const fresh = document.createDocumentFragment();
    for (const row of rows) this.#place(row, fresh);
    list.insertBefore(fresh, anchor?.isConnected ? anchor : null);
    for (const row of rows) if (row.isConnected && row.matches(PROCESSED)) htmx.process(row);
    list.dataset.cursor = cursor;
    this.#showing.delete(name);
    this.#waiting.delete(name);
    this.#bar(name);
    this.#cap(list, down);
    if (down) list.scrollTop = list.scrollHeight;
    this.#speak(Number(piece.dataset.newer ?? rows.length), Number(piece.dataset.failing ?? 0));
  }

  // A row that is painted already is replaced where it stands; the others are gathered, so that a batch enters at once.
  #place(row, fresh) {
    const same = row.id && document.getElementById(row.id);
    if (!same) fresh.append(row);
    else if (!inUse(same)) same.replaceWith(row);
  }

  // What someone has focused or opened stays, even beyond the cap.
  #cap(list, down) {
    let over = list.childElementCount - Number(list.dataset.cap || 200);
    let row = down ? list.firstElementChild : list.lastElementChild;
    while (over > 0 && row) {
      const next = down ? row.nextElementSibling : row.previousElementSibling;
      if (row.getAttribute("aria-current") !== "true" && !inUse(row)) {
        row.remove();
        over -= 1;
      }
      row = next;
    }
  }

  #settle() {
    for (const [id, html] of [...this.#deferred]) {
      const target = document.getElementById(id);
      if (target && inUse(target)) continue;
      this.#deferred.delete(id);
      if (target) htmx.swap(document.body, html, { swapStyle: "none" });
    }
    if (this.#paused) return;
    const free = [...this.#waiting.keys()].filter((name) => {
      const list = listNamed(name);
      return list && atStart(list) && !inUse(list);
    });
    if (!free.length) return;
    free.forEach((name) => this.#waiting.delete(name)); // the answer paints, or is held and counted afresh
    this.#tell();
  }

  // -- what is said -----------------------------------------------------------------------------------------------

  #state(state, words = WORDS[state]) {
    this.dataset.state = state;
    const sign = this.querySelector("[data-live-state]");
    if (sign) sign.dataset.state = state;
    const word = this.querySelector("[data-live-word]");
    if (word) word.textContent = words;
  }

  #bar(name) {
    const bar = document.querySelector(`[data-live-newer="${CSS.escape(name)}"]`);
    if (!bar) return;
    const held = this.#waiting.get(name);
    bar.hidden = !held;
    const failing = held?.failing ? `, ${held.failing.toLocaleString("en")} FAIL` : "";
    const words = held ? `${held.rows.toLocaleString("en")} newer${failing}: show` : "";
    bar.querySelector("[data-live-newer-words]").textContent = words;
  }

  #speak(rows, failing) {
    this.#unspoken.rows += rows;
    this.#unspoken.failing += failing;
    if (this.#timers.speak) return;
    this.#timers.speak = setTimeout(() => {
      const place = this.querySelector("[data-live-announce]");
      const { rows: all, failing: bad } = this.#unspoken;
      if (place) place.textContent = `${all} new${bad ? `, ${bad} failing` : ""}`;
      this.#unspoken = { rows: 0, failing: 0 };
      this.#timers.speak = null;
    }, SPEAK_EVERY);
  }

  // -- what is pressed --------------------------------------------------------------------------------------------

  #clicked(event) {
    const bar = event.target.closest("[data-live-newer]");
    if (bar) this.#show(bar.dataset.liveNewer);
    if (event.target.closest("[data-live-pause]")) this.#pause(!this.#paused);
  }

  #show(name) {
    const list = listNamed(name);
    this.#showing.add(name);
    if (list) list.scrollTop = list.dataset.grow === "down" ? list.scrollHeight : 0;
    if (this.#paused) this.#pause(false);
    else this.#tell();
  }

  #pause(paused) {
    this.#paused = paused;
    if (!paused) [...this.#waiting.keys()].forEach((name) => this.#showing.add(name));
    const button = this.querySelector("[data-live-pause]");
    button?.setAttribute("aria-pressed", String(paused));
    const word = button?.querySelector("[data-live-pause-word]");
    if (word) word.textContent = paused ? "Go on" : "Pause";
    if (this.#socket?.readyState === WebSocket.OPEN) this.#state(paused ? "paused" : "live");
    this.#tell();
  }
}

customElements.define("live-connection", LiveConnection);
