// The picture of a page with its lines over it.
import { outline, svg, turnOf, written } from "./drawing.js";

const LARGEST = 8; // times the width of the frame
const NARROW = 400; // pixels in which a whole page could not be read

/** Dispatches `point` (`detail.key`: the line under the pointer, or null) and `pick`. */
export class Picture extends EventTarget {
  #frame;
  #job = null;
  #page = null;
  #turn = 0;
  #drawing = null;
  #lines = null;
  #lit = null;
  #zoom = 1;
  #written = false;

  constructor(frame) {
    super();
    this.#frame = frame;
    const keyAt = (event) => event.target.closest?.("[data-line]")?.dataset.line ?? null;
    frame.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse") this.#tell("point", keyAt(event));
    });
    frame.addEventListener("pointerleave", () => this.#tell("point", null));
    frame.addEventListener("click", (event) => keyAt(event) && this.#tell("pick", keyAt(event)));
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  #tell(type, key) {
    this.dispatchEvent(new CustomEvent(type, { detail: { key } }));
  }

  #wheel(event) {
    if (!event.ctrlKey) return; // also how a pinch on a touch pad arrives
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 300), event);
  }

  /** Draw a page of a job anew; another page than before is shown whole if that is large enough. */
  show(job, page) {
    const same = this.#job === job && this.#page?.number === page?.number && this.#drawing;
    const place = [this.#frame.scrollLeft, this.#frame.scrollTop];
    this.#job = job;
    this.#page = page;
    this.#frame.replaceChildren();
    this.#drawing = null;
    if (!page?.width) return;
    this.#draw();
    this.#frame.append(this.#drawing);
    if (same) {
      this.#size();
      this.#frame.scrollTo(...place);
    } else {
      const whole = this.#whole();
      this.#zoomTo(whole < 0.5 || this.#frame.clientWidth < NARROW ? 1 : whole);
    }
  }

  #draw() {
    const { number, width, height, lines } = this.#page;
    this.#turn = turnOf(lines);
    const [across, down] = this.#turn % 180 ? [height, width] : [width, height];
    const back = {
      0: "",
      90: `translate(0 ${width}) rotate(-90)`,
      180: `translate(${width} ${height}) rotate(180)`,
      270: `translate(${height} 0) rotate(90)`,
    };
    const image = svg("image", { width, height, preserveAspectRatio: "none" });
    this.#lines = svg("g");
    this.#drawing = svg("svg", { viewBox: `0 0 ${across} ${down}`, role: "img" },
      svg("g", { transform: back[this.#turn] }, image, this.#lines));
    this.#drawing.setAttribute("aria-label", `Picture of page ${number}`);
    this.#drawing.classList.toggle("written-on", this.#written);
    for (const line of lines) this.#add(line, this.#job.corrections.of(line).text, false);
    this.#job.picture(number).then((url) => image.setAttribute("href", url), () => {});
  }

  /** A line of the page that was read just now; the first ones show how the page lies. */
  add(line) {
    if (turnOf(this.#page.lines) !== this.#turn) this.show(this.#job, this.#page);
    else this.#add(line, line.text, true);
  }

  #add(line, text, fresh) {
    if (!line.polygon.length) return;
    const drawn = outline(line);
    drawn.classList.toggle("fresh", fresh);
    this.#lines.append(written(line, text), drawn);
  }

  rewrite(key, text) {
    this.#of(key, ".written")?.querySelector("text").replaceChildren(text);
  }

  write(on) {
    this.#written = on;
    this.#drawing?.classList.toggle("written-on", on);
  }

  /** Mark a line, and scroll to it unless the pointer is on it. */
  light(key, reveal) {
    this.#of(this.#lit, "polygon")?.classList.remove("on");
    this.#lit = key;
    const drawn = this.#of(key, "polygon");
    drawn?.classList.add("on");
    if (drawn && reveal) this.#reveal(drawn);
  }

  #of(key, kind) {
    return key === null ? null : this.#lines?.querySelector(`${kind}[data-line="${CSS.escape(key)}"]`);
  }

  #reveal(drawn) {
    const [inner, outer] = [drawn.getBoundingClientRect(), this.#frame.getBoundingClientRect()];
    const beyond = (start, end, from, to) => {
      if (end - start > to - from) return start - from;
      return start < from || end > to ? (start + end - from - to) / 2 : 0;
    };
    this.#frame.scrollBy({
      left: beyond(inner.left, inner.right, outer.left, outer.right),
      top: beyond(inner.top, inner.bottom, outer.top, outer.bottom),
    });
  }

  /** The zoom at which the whole page is in view. */
  #whole() {
    const { width, height } = this.#drawing.viewBox.baseVal;
    this.#drawing.style.width = "0"; // nothing scrolls, no scroll bar takes room
    return Math.min(1, (this.#frame.clientHeight * width) / (this.#frame.clientWidth * height));
  }

  /** The whole page; its width where the whole page is shown already. */
  fit() {
    if (!this.#drawing) return;
    const whole = this.#whole();
    this.#zoomTo(this.#zoom === whole ? 1 : whole);
  }

  /** Keeps what is under the pointer, or in the middle, where it is. */
  zoomBy(factor, at = null) {
    const frame = this.#frame;
    const bounds = frame.getBoundingClientRect();
    const [x, y] = at
      ? [at.clientX - bounds.left, at.clientY - bounds.top]
      : [frame.clientWidth / 2, frame.clientHeight / 2];
    const before = this.#zoom;
    const [left, top] = [frame.scrollLeft + x, frame.scrollTop + y];
    this.#zoomTo(Math.min(LARGEST, Math.max(0.1, before * factor)));
    const scale = this.#zoom / before;
    frame.scrollTo(left * scale - x, top * scale - y);
  }

  #zoomTo(zoom) {
    this.#zoom = zoom;
    this.#size();
  }

  #size() {
    if (this.#drawing) this.#drawing.style.width = `${this.#zoom * 100}%`;
  }
}
