// The file that is worked on: its picture, its lines, what is said about them, files out.
import { byId, several, speak, trying } from "./dom.js";
import { copy, download, downloadTrainingSet, trainingCommands } from "./exports.js";
import { Lines } from "./lines.js";
import { Picture } from "./picture.js";

const picture = new Picture(byId("frame"));
const lines = new Lines(byId("lines"), byId("more"));
export let job = null;
let listening = new AbortController();
let page = null; // its number
let worked = null; // the key of the line with the focus
let reviewing = false;

/** Work on this job, or on none. */
export function work(of) {
  listening.abort();
  listening = new AbortController();
  job = of;
  page = worked = null;
  byId("desk").hidden = !job;
  document.title = job ? `${job.name} – trocr` : "trocr";
  if (!job) return;
  const { signal } = listening;
  const on = (target, type, act) => target.addEventListener(type, ({ detail }) => act(detail), { signal });
  on(job, "status", () => {
    showWork();
    if (!job.kept) showLines(); // nothing can be said about them any more
  });
  on(job, "page", pageCame);
  on(job, "line", lineCame);
  on(job.corrections, "said", said);
  on(job.corrections, "saving", showSaving);
  show(job.pages[0]?.number ?? null);
  showSaving();
}

function showWork() {
  byId("name").textContent = job.name;
  byId("desk").classList.toggle("bare", job.ended && !job.lines.length);
  const failed = job.pages.filter((each) => each.problem);
  const words = failed.map(({ number, problem }) => `Page ${number}: ${problem.message} ${problem.hint}`);
  if (job.problem) words.unshift(`${job.problem.message} ${job.problem.hint}`);
  byId("state").textContent = words.join("\n");
  for (const id of ["format", "download", "copy"]) byId(id).disabled = job.status !== "done";
  const numbers = job.pages.map(({ number }) => number);
  byId("paging").hidden = numbers.length < 2;
  byId("page-of").textContent = `Page ${page} of ${job.ended ? numbers.length : `${numbers.length}…`}`;
  byId("previous").disabled = numbers[0] === page;
  byId("next").disabled = numbers.at(-1) === page;
  showSaving();
}

function savingWords({ problem, unsaved, canUndo }) {
  if (problem) return `Not saved: ${problem.message}`;
  if (unsaved) return job.ended ? "Not saved yet" : "Saved when all is read";
  return canUndo ? "Saved" : "";
}

function showSaving() {
  const { corrections, lines: all } = job;
  byId("saving").textContent = savingWords(corrections);
  byId("saving").classList.toggle("wrong", Boolean(corrections.problem));
  byId("undo").disabled = !corrections.canUndo;
  byId("redo").disabled = !corrections.canRedo;
  byId("train").disabled = job.status !== "done" || !corrections.learnable;
  const checked = all.filter((line) => corrections.of(line).mark).length;
  byId("checked").max = all.length || 1;
  byId("checked").value = checked;
  byId("checked-of").textContent = `${checked} of ${several(all.length, "line")} checked`;
}

/** Show a page and its lines; least sure first, the lines of all pages. */
function show(number) {
  page = number;
  picture.show(job, job.page(page));
  showWork();
  showLines();
}

/** Those that nothing is said about before all others. */
function leastSure(some) {
  const place = (line) => (job.corrections.of(line).mark ? 2 : 0) + (line.confidence ?? -1);
  return some.filter((line) => line.number !== null).sort((one, other) => place(one) - place(other));
}

function showLines() {
  lines.show(job, reviewing ? leastSure(job.lines) : job.page(page)?.lines ?? [], reviewing);
  showEmptiness();
}

function showEmptiness() {
  const shown = job.page(page);
  const empty = job.ended || shown?.whole ? "No text was found." : "Being read …";
  byId("nothing").textContent = shown?.lines.length || shown?.problem ? "" : empty;
}

function lineCame({ page: number, line }) {
  if (number !== page) return;
  picture.add(line);
  if (!reviewing) lines.add([line]);
  showEmptiness();
}

function pageCame({ page: number }) {
  page ??= number;
  if (number === page) picture.show(job, job.page(page));
  // What is in a list of all pages already keeps its place.
  if (reviewing) lines.add(leastSure(job.page(number).lines));
  else if (number === page) showLines();
  showEmptiness();
}

function said({ line }) {
  lines.refresh(line.key);
  picture.rewrite(line.key, job.corrections.of(line).text);
}

// Text and picture

const lineOf = (key) => job.lines.find((line) => line.key === key);

function light(key, from) {
  picture.light(lineOf(key)?.page === page ? key : null, from === lines);
  lines.light(key, from === picture);
}

lines.addEventListener("point", ({ detail: { key } }) => light(key ?? worked, lines));
lines.addEventListener("work", ({ detail: { key } }) => {
  worked = key;
  const number = lineOf(key).page;
  if (number !== page) {
    page = number;
    picture.show(job, job.page(page));
    showWork();
  }
  light(key, lines);
});
picture.addEventListener("point", ({ detail: { key } }) => light(key ?? worked, picture));
picture.addEventListener("pick", ({ detail: { key } }) => lines.work(key));

// Ways to look

function turnPage(step) {
  const numbers = job.pages.map(({ number }) => number);
  show(numbers[numbers.indexOf(page) + step]);
}

function order(review) {
  reviewing = review;
  document.body.classList.toggle("reviewing", review);
  byId("read").setAttribute("aria-pressed", String(!review));
  byId("review").setAttribute("aria-pressed", String(review));
  showLines();
  if (review && matchMedia("(pointer: fine)").matches) lines.work(); // elsewhere up comes a keyboard
}

const clicked = (id, act) => byId(id).addEventListener("click", act);
clicked("previous", () => turnPage(-1));
clicked("next", () => turnPage(1));
clicked("zoom-in", () => picture.zoomBy(1.3));
clicked("zoom-out", () => picture.zoomBy(1 / 1.3));
clicked("fit", () => picture.fit());
clicked("written", ({ currentTarget: button }) => {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  picture.write(on);
});
clicked("read", () => order(false));
clicked("review", () => order(true));

// Back and forth

function move(back) {
  const line = back ? job.corrections.undo() : job.corrections.redo();
  if (!line) return;
  if (!lines.has(line.key) && !reviewing) show(line.page);
  lines.work(line.key);
}

clicked("undo", () => move(true));
clicked("redo", () => move(false));
document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const ours = job && (event.target === document.body || event.target.closest("#desk"));
  if (!ours || event.altKey || !(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
  event.preventDefault();
  move(key === "z" && !event.shiftKey);
});

// Files out

clicked("download", trying(() => download(job, byId("format").value)));
byId("copy").hidden = !navigator.clipboard; // only where the connection is secure
clicked("copy", trying(async () => {
  await copy(job);
  speak("The text was copied.");
  byId("copy").textContent = "Copied";
  setTimeout(() => (byId("copy").textContent = "Copy text"), 2000);
}));
clicked("train", () => {
  const count = several(job.corrections.learnable, "line");
  byId("training-count").textContent = `${count} that you found right or corrected, as a model gets them.`;
  byId("command").textContent = trainingCommands(job);
  byId("training").showModal();
});
clicked("training-set", trying(() => downloadTrainingSet(job)));
