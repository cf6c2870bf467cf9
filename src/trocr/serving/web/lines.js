// The lines as a list to read, check and correct by keyboard.
import { grade, percent } from "./confidence.js";
import { clean } from "./corrections.js";
import { copied } from "./dom.js";
import { angle, doubts, levelled, svg } from "./drawing.js";

const AT_ONCE = 200;

/** Dispatches `point` and `work` (`detail.key`: the line pointed at, or with the focus). */
export class Lines extends EventTarget {
  #list;
  #more;
  #rows = new Map();
  #job = null;
  #waiting = [];
  #seen = new IntersectionObserver((seen) => this.#picture(seen), { rootMargin: "200px" });
  #lit = null;

  constructor(list, more) {
    super();
    this.#list = list;
    this.#more = more;
    const keyAt = (event) => event.target.closest?.("li")?.dataset.line ?? null;
    list.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse") this.#tell("point", keyAt(event));
    });
    list.addEventListener("pointerleave", () => this.#tell("point", null));
    list.addEventListener("focusin", (event) => this.#tell("work", keyAt(event)));
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("input", (event) => this.#typed(event));
    list.addEventListener("click", (event) => this.#clicked(event));
    more.addEventListener("click", () => this.#fill());
  }

  #tell(type, key) {
    this.dispatchEvent(new CustomEvent(type, { detail: { key } }));
  }

  /** Show these lines of a job, with a picture of each if `crops`. */
  show(job, lines, crops) {
    this.#seen.disconnect();
    this.#rows.clear();
    this.#job = job;
    this.#list.replaceChildren();
    this.#list.classList.toggle("crops", crops);
    this.#waiting = [];
    this.add(lines);
  }

  /** More of them, at the end. */
  add(lines) {
    this.#waiting = [...this.#waiting, ...lines];
    if (this.#rows.size < AT_ONCE) this.#fill();
    this.#more.hidden = this.#waiting.length === 0;
  }

  #fill() {
    const next = this.#waiting.splice(0, AT_ONCE);
    this.#list.append(...next.map((line) => this.#row(line)));
    this.#more.hidden = this.#waiting.length === 0;
  }

  #row(line) {
    const row = copied("line");
    const said = line.confidence === null ? "confidence unknown" : `confidence ${percent(line.confidence)}`;
    row.dataset.line = line.key;
    row.classList.add(grade(line.confidence));
    row.querySelector(".confidence").textContent = percent(line.confidence);
    const place = line.number === null ? "being read" : `line ${line.number}`;
    row.querySelector("textarea").setAttribute("aria-label", `Page ${line.page}, ${place}, ${said}`);
    this.#rows.set(line.key, { line, row });
    if (this.#list.classList.contains("crops") && line.polygon.length) this.#frame(row, line);
    this.#render(line.key);
    return row;
  }

  /** Where the picture of a line goes; it comes when the row is in sight. */
  #frame(row, line) {
    const { x, y, width, height } = levelled(line);
    const [aside, above] = [height / 4, height / 8];
    const [across, down] = [width + 2 * aside, height + 2 * above];
    const crop = row.querySelector("svg");
    crop.setAttribute("viewBox", `${x - aside} ${y - above} ${across} ${down}`);
    crop.style.setProperty("--shape", across / down);
    const page = this.#job.page(line.page);
    const image = svg("image", { width: page.width, height: page.height });
    crop.append(svg("g", { transform: `rotate(${-angle(line)})` }, image, ...doubts(line)));
    this.#seen.observe(row);
  }

  #picture(seen) {
    for (const { target: row, isIntersecting } of seen) {
      const shown = this.#rows.get(row.dataset.line);
      if (!isIntersecting || shown?.row !== row) continue;
      this.#seen.unobserve(row);
      const image = row.querySelector("image");
      this.#job.picture(shown.line.page).then((url) => image.setAttribute("href", url), () => {});
    }
  }

  /** What is said about a line has changed. */
  #render(key) {
    const { line, row } = this.#rows.get(key);
    const { text, mark } = this.#job.corrections.of(line);
    const field = row.querySelector("textarea");
    const fixed = line.number === null || !this.#job.kept;
    if (clean(field.value) !== clean(text)) field.value = text; // spaces while one types stay
    field.readOnly = fixed;
    row.dataset.mark = mark;
    for (const button of row.querySelectorAll("button")) {
      button.disabled = fixed;
      button.setAttribute("aria-pressed", String(button.dataset.mark === mark));
    }
  }

  refresh(key) {
    if (this.#rows.has(key)) this.#render(key);
  }

  has(key) {
    return this.#rows.has(key);
  }

  /** Mark a line, and scroll to it if it is the picture that is pointed at. */
  light(key, reveal) {
    this.#rows.get(this.#lit)?.row.classList.remove("on");
    this.#lit = key;
    const row = this.#rows.get(key)?.row;
    row?.classList.add("on");
    if (row && reveal) row.scrollIntoView({ block: "nearest" });
  }

  /** Go to a line, or without one to the first that nothing is said about. */
  work(key = null) {
    const open = ({ row }) => row.dataset.mark === "";
    const found = key === null ? [...this.#rows.values()].find(open) : this.#rows.get(key);
    found?.row.querySelector("textarea").focus({ preventScroll: true });
    found?.row.scrollIntoView({ block: "center" });
  }

  #step(row, to) {
    if (to === "nextElementSibling" && !row[to]) this.#fill();
    const next = row[to];
    if (next) this.work(next.dataset.line);
  }

  #decide(row, mark) {
    const { line } = this.#rows.get(row.dataset.line);
    this.#job.corrections.say(line, row.querySelector("textarea").value, mark);
  }

  #restore(row) {
    const { line } = this.#rows.get(row.dataset.line);
    this.#job.corrections.say(line, line.text, "");
  }

  #acts(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing) return null;
    const on = (mark) => (row) => {
      this.#decide(row, mark);
      this.#step(row, "nextElementSibling");
    };
    if (event.altKey) return { KeyN: on("not-text"), KeyK: on("skip") }[event.code];
    // On a button, Enter is a click.
    if (event.target.tagName === "BUTTON") return null;
    return {
      Enter: on("ok"),
      ArrowDown: (row) => this.#step(row, "nextElementSibling"),
      ArrowUp: (row) => this.#step(row, "previousElementSibling"),
      Escape: (row) => this.#restore(row),
    }[event.key];
  }

  #key(event) {
    const act = this.#acts(event);
    const row = event.target.closest("li");
    if (!act || !row) return;
    event.preventDefault();
    const moves = event.key.startsWith("Arrow");
    if (moves || !row.querySelector("textarea").readOnly) act(row);
  }

  #typed(event) {
    const row = event.target.closest("li");
    const { line } = this.#rows.get(row.dataset.line);
    this.#job.corrections.say(line, event.target.value, "", true);
  }

  #clicked(event) {
    const { mark } = event.target.dataset;
    const row = event.target.closest("li");
    if (mark) this.#decide(row, row.dataset.mark === mark ? "" : mark);
  }
}
