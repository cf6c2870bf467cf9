// What the user says about the lines of a job: kept by the server, done and undone here.
import { passing, request } from "./api.js";

export const clean = (text) => text.trim().replace(/\s+/gu, " ");

/** A changed text is right without a mark; nothing that is right is no text. */
function settled(read, text, mark) {
  const said = clean(text);
  const decided = mark === "" && said !== read ? "ok" : mark;
  return decided === "ok" && !said ? "not-text" : decided;
}

/** Dispatches `said` (with the `line` in `detail`) and `saving`. */
export class Corrections extends EventTarget {
  #path;
  #said = new Map();
  #done = [];
  #undone = [];
  #changes = 0;
  #saved = 0;
  #sending = null;
  #timer = null;
  #typing = { key: null, at: 0 };
  #open = false;
  problem = null;

  constructor(path) {
    super();
    this.#path = path;
  }

  /** What the server has; before anything is said. */
  async recall() {
    const { lines } = await (await request(this.#path)).json();
    for (const { page, line, read, text, mark } of lines) {
      this.#said.set(`${page}:${line}`, { page, line, read, text, mark });
    }
  }

  of(line) {
    return this.#said.get(line.key) ?? { text: line.text, mark: "" };
  }

  get learnable() {
    return [...this.#said.values()].filter(({ mark }) => mark === "ok").length;
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** The job is done: from now on the server takes them. */
  open() {
    this.#open = true;
    if (this.unsaved) this.#timer ??= this.#later(0);
  }

  get unsaved() {
    return this.#changes !== this.#saved;
  }

  say(line, text, asked, typing = false) {
    const mark = settled(line.text, text, asked);
    const before = this.#said.get(line.key);
    const after = mark && { page: line.page, line: line.number, read: line.text, text, mark };
    if ((before?.mark ?? "") === mark && (before?.text ?? line.text) === text) return;
    // Letters typed without a pause are undone together.
    const together = typing && this.#typing.key === line.key && Date.now() - this.#typing.at < 1000;
    this.#typing = { key: typing ? line.key : null, at: Date.now() };
    if (together) this.#done.at(-1).after = after;
    else this.#done.push({ line, before, after });
    this.#undone = [];
    this.#put(line, after);
  }

  /** The line whose last change is undone; undefined where there is none. */
  undo() {
    return this.#move(this.#done, this.#undone, "before");
  }

  redo() {
    return this.#move(this.#undone, this.#done, "after");
  }

  #move(from, to, side) {
    const change = from.pop();
    if (!change) return undefined;
    to.push(change);
    this.#typing.key = null;
    this.#put(change.line, change[side]);
    return change.line;
  }

  #put(line, entry) {
    if (entry) this.#said.set(line.key, entry);
    else this.#said.delete(line.key);
    this.#changes += 1;
    this.dispatchEvent(new CustomEvent("said", { detail: { line } }));
    this.#notify();
    if (this.#open) this.#timer ??= this.#later(0.6);
  }

  /** Resolves when the server has all; rejects with the problem why not. */
  async saved() {
    while (this.unsaved) {
      await this.#save();
      if (this.problem) throw this.problem;
    }
  }

  #later(seconds) {
    return setTimeout(() => this.#save(), seconds * 1000);
  }

  #save() {
    this.#sending ??= this.#send();
    return this.#sending;
  }

  async #send() {
    clearTimeout(this.#timer);
    const upTo = this.#changes;
    const lines = [...this.#said.values()].map((entry) => ({ ...entry, text: clean(entry.text) }));
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ lines });
    try {
      await request(this.#path, { method: "PUT", headers, body });
      this.#saved = upTo;
      this.problem = null;
    } catch (problem) {
      this.problem = problem;
    }
    this.#sending = this.#timer = null;
    this.#notify();
    if (this.problem && passing(this.problem)) {
      this.#timer = this.#later(Math.max(5, this.problem.retryAfter));
    } else if (this.unsaved && !this.problem) this.#timer = this.#later(0);
  }

  #notify() {
    this.dispatchEvent(new Event("saving"));
  }
}
