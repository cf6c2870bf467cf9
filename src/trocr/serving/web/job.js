// A job as the server tells it: its pages, their lines, its end.
import { events, request } from "./api.js";
import { Corrections } from "./corrections.js";

const ENDS = ["done", "failed", "cancelled"];

/**
 * Dispatches `status`; `page` and `line`, with the number of the page in `detail.page`.
 * A line: `{key, page, number, text, confidence, polygon, baseline, words}`; its number is null
 * until the page is in reading order.
 */
export class Job extends EventTarget {
  #abort = new AbortController();
  #pictures = new Map();
  #pages = new Map();
  #soon = null;

  constructor({ id, name, model }) {
    super();
    Object.assign(this, { id, name, model, path: `v1/jobs/${encodeURIComponent(id)}` });
    this.status = "queued";
    this.problem = null;
    this.lost = false;
    this.corrections = new Corrections(`${this.path}/corrections`);
  }

  get ended() {
    return ENDS.includes(this.status);
  }

  /** The server has it, and takes corrections. */
  get kept() {
    return !["failed", "cancelled"].includes(this.status);
  }

  get pages() {
    return [...this.#pages.values()].sort((one, other) => one.number - other.number);
  }

  page(number) {
    return this.#pages.get(number);
  }

  get lines() {
    return this.pages.flatMap((page) => page.lines);
  }

  /** Follow the server until the job has ended. */
  async follow() {
    const { signal } = this.#abort;
    try {
      for await (const { type, data } of events(`${this.path}/events`, signal)) {
        this.lost = type === "lost";
        this.#take(type, data);
        if (this.ended) return;
      }
    } catch (problem) {
      if (!signal.aborted) this.#end("failed", problem);
    }
  }

  #take(type, data) {
    if (ENDS.includes(type)) this.#end(type, type === "failed" ? { ...data, message: data.detail } : null);
    else if (type === "page-started") this.#set(data.page, { ...data, lines: [], expected: data.lines });
    else if (type === "page") this.#set(data.page, { ...data, lines: this.#ordered(data), whole: true });
    else if (type === "page-failed" && data.page !== null) {
      this.#set(data.page, { lines: [], problem: { ...data, message: data.detail } });
    } else if (type === "page-failed") this.problem = { ...data, message: data.detail };
    else if (type === "line") this.#add(data);
    if (!this.ended) this.#soon ??= setTimeout(() => this.#tellStatus(), 100);
  }

  #set(number, page) {
    this.#pages.set(number, { ...page, number });
    if (!this.ended) this.status = "reading";
    this.#tell("page", { page: number });
  }

  #ordered({ page, lines }) {
    return lines.map((line, at) => ({ ...line, page, number: at + 1, key: `${page}:${at + 1}` }));
  }

  #add({ page: number, index, line }) {
    const page = this.#pages.get(number);
    if (!page || page.whole) return;
    const found = { ...line, page: number, number: null, key: `${number}:found-${index}`, words: [] };
    page.lines.push(found);
    this.#tell("line", { page: number, line: found });
  }

  #end(status, problem) {
    this.status = status;
    this.problem = problem ?? this.problem;
    if (status === "done") this.corrections.open();
    this.#tellStatus();
  }

  #tellStatus() {
    clearTimeout(this.#soon);
    this.#soon = null;
    this.#tell("status");
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** A promise of the URL of a page's picture; a picture that failed is asked for again. */
  picture(number) {
    if (!this.#pictures.has(number)) {
      const url = request(`${this.path}/pages/${number}`, { signal: this.#abort.signal })
        .then((answer) => answer.blob())
        .then((blob) => URL.createObjectURL(blob));
      url.catch(() => this.#pictures.delete(number));
      this.#pictures.set(number, url);
    }
    return this.#pictures.get(number);
  }

  /** The server forgets the job; what was read stays on the page. */
  async cancel() {
    this.#abort.abort();
    if (!this.ended) this.#end("cancelled", null);
    await request(this.path, { method: "DELETE" });
  }

  release() {
    for (const url of this.#pictures.values()) url.then(URL.revokeObjectURL, () => {});
  }
}
