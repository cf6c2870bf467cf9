// What the server is asked: requests with the key, problems as errors, event streams that go on.
const KEY = "trocr-key";

export class Problem extends Error {
  /** @param {{status: number, detail?: string, title?: string, hint?: string}} what (RFC 9457) */
  constructor({ status, detail, title, hint }, retryAfter = 0) {
    super(detail || title || `The server answers ${status}.`);
    Object.assign(this, { status, hint: hint ?? "", retryAfter });
  }
}

/** `ask(why)`: a promise of a key, or of null; the page has the dialogue. */
export const keys = {
  ask: async () => null,
  get: () => sessionStorage.getItem(KEY),
  set: (key) => sessionStorage.setItem(KEY, key),
};
let asking = null;

async function newKey(refused) {
  if (keys.get() !== refused) return true; // another request has asked meanwhile
  asking ??= keys.ask(refused ? "The server refuses the key." : "The server wants a key.");
  const key = await asking.finally(() => (asking = null));
  if (key) keys.set(key);
  return Boolean(key);
}

async function problemOf(answer) {
  const what = await answer.json().catch(() => ({}));
  return new Problem({ ...what, status: answer.status }, Number(answer.headers.get("Retry-After")));
}

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const hint = "Is it running, and are you online?";
    throw new Problem({ status: 0, detail: "The server does not answer.", hint });
  }
}

/** A `Response` that is ok; asks for a key where the server wants one. */
export async function request(path, { headers = {}, ...options } = {}) {
  for (;;) {
    const key = keys.get();
    const own = key ? { Authorization: `Bearer ${key}` } : {};
    const answer = await fetched(path, { ...options, headers: { ...headers, ...own } });
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401 || !(await newKey(key))) throw problem;
  }
}

/** Comes again later while the server is busy, says so, or does not answer. */
export const passing = (problem) => [0, 429, 502, 503, 504].includes(problem.status);

export const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Server-sent events of one answer: `{type, id, data}`. */
async function* parsed(body) {
  let rest = "";
  let event = {};
  for await (const chunk of chunks(body.pipeThrough(new TextDecoderStream()))) {
    const rows = (rest + chunk).split("\n");
    rest = rows.pop();
    for (const row of rows.map((raw) => raw.replace(/\r$/u, ""))) {
      const [, name, value] = /^([^:]*):? ?(.*)$/su.exec(row);
      if (name === "event") event.type = value;
      else if (name === "id") event.id = value;
      else if (name === "data") event.data = (event.data ?? "") + value;
      if (row !== "") continue;
      if (event.data) yield { ...event, data: JSON.parse(event.data) };
      event = {};
    }
  }
}

// Safari's streams are no async iterators.
async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** All events of a stream, across lost connections; between them `connected` and `lost`. */
export async function* events(path, signal) {
  let last = null;
  for (let wait = 0.5; ; wait = Math.min(wait * 2, 15)) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const answer = await request(path, { headers, signal, cache: "no-store" });
      yield { type: "connected" };
      for await (const event of parsed(answer.body)) {
        wait = 0.5;
        last = event.id ?? last;
        yield event;
      }
    } catch (problem) {
      if (signal.aborted || (problem instanceof Problem && !passing(problem))) throw problem;
    }
    yield { type: "lost" };
    await pause(wait);
  }
}
