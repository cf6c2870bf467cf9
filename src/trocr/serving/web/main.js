// The page: which files there are, and the one that is worked on.
import { keys, request } from "./api.js";
import { grade } from "./confidence.js";
import { copy, download, downloadTrainingSet, trainingCommands } from "./exports.js";
import { submit, takeFiles } from "./intake.js";
import { Job } from "./job.js";
import { Lines } from "./lines.js";
import { Picture } from "./picture.js";

const JOBS = "trocr-jobs";
const byId = (id) => document.getElementById(id);
const picture = new Picture(byId("frame"));
const lines = new Lines(byId("lines"), byId("more"));
const files = new Map(); // job -> its item in the list
let job = null;
let page = null;
let worked = null;
let spokenAt = 0;

const copied = (id) => byId(id).content.firstElementChild.cloneNode(true);
const several = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const reviewing = () => document.body.classList.contains("reviewing");
const open = (of, line) => grade(line.confidence) !== "sure" && !of.corrections.of(line).mark;

function speak(text, always = true) {
  if (!always && Date.now() - spokenAt < 5000) return;
  spokenAt = Date.now();
  byId("spoken").textContent = text;
}

/** Say what went wrong, and what to do about it. */
function complain(problem, about = "") {
  const row = copied("problem");
  row.querySelector("strong").textContent = about ? `${about}: ${problem.message}` : problem.message;
  row.querySelector("span").textContent = problem.hint ?? "";
  row.querySelector("button").addEventListener("click", () => row.remove());
  byId("problems").replaceChildren(row);
}

const trying = (act) => async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  await act().catch(complain);
  button.disabled = false;
};

// Files

function remember() {
  sessionStorage.setItem(JOBS, JSON.stringify([...files.keys()].map(({ id }) => id)));
}

function listed(name) {
  const item = copied("job");
  item.querySelector(".name").textContent = name;
  byId("jobs").append(item);
  document.body.classList.add("busy");
  return item;
}

function unlist(item) {
  item.remove();
  document.body.classList.toggle("busy", byId("jobs").childElementCount > 0);
}

function mind(of, item) {
  files.set(of, item);
  remember();
  item.querySelector(".open").addEventListener("click", () => work(of));
  item.querySelector(".end").addEventListener("click", () => end(of));
  of.addEventListener("status", () => {
    showStatus(of);
    if (of === job) showWork();
  });
  of.addEventListener("line", ({ detail }) => of === job && lineCame(detail));
  of.addEventListener("page", ({ detail }) => of === job && pageCame(detail.page));
  of.corrections.addEventListener("said", ({ detail }) => said(detail.line));
  of.corrections.addEventListener("saving", () => of === job && showSaving());
  showStatus(of);
  of.follow();
}

function statusOf(of) {
  const failed = of.pages.filter((each) => each.problem).length;
  const bad = failed ? `, ${several(failed, "page")} failed` : "";
  if (of.lost && !of.ended) return "connection lost, trying again";
  if (of.status === "queued") return "waiting";
  if (of.status === "failed") return `failed: ${of.problem?.message ?? ""}`;
  const count = several(of.lines.length, "line");
  if (of.status === "reading") return `page ${of.pages.at(-1).number}: ${count}`;
  if (of.status === "cancelled") return `cancelled, ${count} read`;
  return `${count}, ${of.lines.filter((line) => open(of, line)).length} to check${bad}`;
}

function showStatus(of) {
  const item = files.get(of);
  const text = statusOf(of);
  item.querySelector(".status").textContent = text;
  const bar = item.querySelector("progress");
  bar.hidden = of.ended;
  bar.setAttribute("aria-label", `${of.name} is read`);
  const expected = of.pages.reduce((sum, each) => sum + (each.expected ?? each.lines.length), 0);
  if (expected) bar.value = of.lines.length / expected;
  const what = of.ended ? "Remove" : "Cancel";
  item.querySelector(".end").title = what;
  item.querySelector(".end").setAttribute("aria-label", `${what} ${of.name}`);
  item.classList.toggle("failed", of.status === "failed");
  speak(`${of.name}: ${text}`, of.ended);
}

async function end(of) {
  const running = !of.ended;
  if (of.corrections.learnable && of.kept && !confirm(`Forget ${of.name} and what you corrected in it?`)) return;
  const asked = of.kept ? of.cancel().catch((problem) => problem.status !== 404 && complain(problem, of.name)) : null;
  if (!running) forget(of);
  await asked;
}

function forget(of) {
  unlist(files.get(of));
  files.delete(of);
  of.release();
  remember();
  if (of === job) work([...files.keys()].at(-1) ?? null);
}

async function send(file) {
  const item = listed(file.name);
  const status = item.querySelector(".status");
  status.textContent = "is being sent";
  item.querySelector(".end").hidden = true;
  try {
    const told = await submit(file, () => (status.textContent = "waits: the server is busy"));
    const of = new Job({ name: file.name, model: byId("model").value, ...told });
    item.querySelector(".end").hidden = false;
    mind(of, item);
    if (!job?.pages.length || job.status === "failed") work(of);
  } catch (problem) {
    unlist(item);
    complain(problem, file.name);
  }
}

async function recall() {
  for (const id of JSON.parse(sessionStorage.getItem(JOBS) ?? "[]")) {
    try {
      const of = new Job(await (await request(`v1/jobs/${encodeURIComponent(id)}`)).json());
      await of.corrections.recall();
      mind(of, listed(of.name));
      if (!job) work(of);
    } catch (problem) {
      if (problem.status !== 404) complain(problem);
    }
  }
}

// The file that is worked on

function work(of) {
  job = of;
  page = worked = null;
  byId("desk").hidden = !job;
  for (const [each, item] of files) {
    item.querySelector(".open").setAttribute("aria-current", String(each === job));
  }
  if (!job) return;
  showWork();
  showSaving();
  show(job.pages[0]?.number ?? null);
}

function showWork() {
  byId("name").textContent = job.name;
  byId("desk").classList.toggle("bare", job.ended && !job.lines.length);
  const failures = job.pages.filter((each) => each.problem);
  const words = failures.map(({ number, problem }) => `Page ${number}: ${problem.message} ${problem.hint}`);
  if (job.problem) words.unshift(`${job.problem.message} ${job.problem.hint ?? ""}`);
  byId("state").textContent = words.join("\n");
  for (const id of ["format", "download", "copy"]) byId(id).disabled = job.status !== "done";
  const numbers = job.pages.map(({ number }) => number);
  byId("paging").hidden = numbers.length < 2;
  byId("page-of").textContent = `Page ${page} of ${job.status === "done" ? numbers.length : `${numbers.length}…`}`;
  byId("previous").disabled = numbers[0] === page;
  byId("next").disabled = numbers.at(-1) === page;
}

function showSaving() {
  const { unsaved, problem, canUndo, canRedo, learnable } = job.corrections;
  const words = problem ? `Not saved: ${problem.message}` : unsaved ? "Not saved yet" : canUndo ? "Saved" : "";
  byId("saving").textContent = words;
  byId("saving").classList.toggle("wrong", Boolean(problem));
  byId("undo").disabled = !canUndo;
  byId("redo").disabled = !canRedo;
  byId("train").disabled = job.status !== "done" || !learnable;
  const all = job.lines;
  const checked = all.filter((line) => job.corrections.of(line).mark).length;
  byId("checked").max = all.length || 1;
  byId("checked").value = checked;
  byId("checked-of").textContent = `${checked} of ${several(all.length, "line")} checked`;
}

/** Show a page; in review the list stays, as it has the lines of all pages. */
function show(number) {
  page = number;
  picture.show(job, job.page(page));
  showWork();
  showLines();
}

const leastSure = (some) =>
  some.filter((line) => line.number !== null).sort((one, other) => (one.confidence ?? -1) - (other.confidence ?? -1));

function showLines() {
  const shown = reviewing() ? leastSure(job.lines) : job.page(page)?.lines ?? [];
  lines.show(job, shown, reviewing());
  showEmptiness();
}

function showEmptiness() {
  const at = job.page(page);
  const empty = reviewing() ? job.status === "done" && !job.lines.length : at?.whole && !at.lines.length;
  byId("nothing").textContent = empty ? "No text was found." : job.ended || at?.lines.length ? "" : "Looking for lines …";
}

function lineCame({ page: number, line }) {
  if (number !== page) return;
  picture.add(line);
  if (!reviewing()) lines.add([line]);
  showEmptiness();
  showSaving();
}

function pageCame(number) {
  page ??= number;
  if (number === page) picture.show(job, job.page(page));
  // What is in a list of all pages already keeps its place.
  if (reviewing()) lines.add(leastSure(job.page(number).lines));
  else if (number === page) showLines();
  showEmptiness();
  showSaving();
}

/** Only of the file that is worked on. */
function said(line) {
  files.get(job).querySelector(".status").textContent = statusOf(job);
  lines.refresh(line.key);
  picture.rewrite(line.key, job.corrections.of(line).text);
}

const lineOf = (key) => job.lines.find((line) => line.key === key);

function light(key, from) {
  const line = key === null ? null : lineOf(key);
  const there = line?.page === page || !line;
  picture.light(there ? key : null, from === lines);
  lines.light(key, from === picture);
}

function goTo(line) {
  if (!lines.has(line.key) && !reviewing()) show(line.page);
  lines.work(line.key);
}

lines.addEventListener("point", ({ detail: { key } }) => light(key ?? worked, lines));
lines.addEventListener("work", ({ detail: { key } }) => {
  worked = key;
  const line = lineOf(key);
  if (line && line.page !== page) {
    page = line.page;
    picture.show(job, job.page(page));
    showWork();
  }
  light(key, lines);
});
picture.addEventListener("point", ({ detail: { key } }) => light(key ?? worked, picture));
picture.addEventListener("pick", ({ detail: { key } }) => lines.work(key));

function move(back) {
  const line = back ? job.corrections.undo() : job.corrections.redo();
  if (line) goTo(line);
}

function turnPage(step) {
  const numbers = job.pages.map(({ number }) => number);
  show(numbers[numbers.indexOf(page) + step]);
}

byId("previous").addEventListener("click", () => turnPage(-1));
byId("next").addEventListener("click", () => turnPage(1));
byId("zoom-in").addEventListener("click", () => picture.zoomBy(1.3));
byId("zoom-out").addEventListener("click", () => picture.zoomBy(1 / 1.3));
byId("fit-page").addEventListener("click", () => picture.fitPage());
byId("fit-width").addEventListener("click", () => picture.fitWidth());
byId("written").addEventListener("click", ({ currentTarget: button }) => {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  picture.write(on);
});
function order(review) {
  document.body.classList.toggle("reviewing", review);
  byId("read").setAttribute("aria-pressed", String(!review));
  byId("review").setAttribute("aria-pressed", String(review));
  showLines();
  if (review && matchMedia("(pointer: fine)").matches) lines.work(); // on a phone up comes a keyboard
}

byId("read").addEventListener("click", () => order(false));
byId("review").addEventListener("click", () => order(true));
byId("undo").addEventListener("click", () => move(true));
byId("redo").addEventListener("click", () => move(false));
document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const ours = event.target === document.body || event.target.closest?.("#desk");
  if (!job || !ours || event.altKey || !(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
  event.preventDefault();
  move(key === "z" && !event.shiftKey);
});

// Files out

byId("download").addEventListener("click", trying(() => download(job, byId("format").value)));
byId("copy").hidden = !navigator.clipboard; // only where the connection is secure
byId("copy").addEventListener("click", trying(() => copy(job).then(() => speak("The text was copied."))));
byId("train").addEventListener("click", () => {
  byId("training-count").textContent = `${several(job.corrections.learnable, "line")} that you found right or corrected, cut from the picture as a model gets them.`;
  byId("command").textContent = trainingCommands(job);
  byId("training").showModal();
});
byId("training-set").addEventListener("click", trying(() => downloadTrainingSet(job)));
window.addEventListener("beforeunload", (event) => {
  if ([...files.keys()].some((each) => each.corrections.unsaved && each.kept)) event.preventDefault();
});

// The key

keys.ask = (why) => {
  const dialog = byId("ask-key");
  byId("ask-key-why").textContent = why;
  byId("key-value").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => {
      byId("key").hidden = false;
      answered(dialog.returnValue === "ok" ? byId("key-value").value : null);
    }, { once: true });
  });
};
byId("key").addEventListener("click", async () => {
  const key = await keys.ask("The next requests carry it.");
  if (key) keys.set(key);
});
for (const button of document.querySelectorAll("dialog .cancel")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

async function start() {
  takeFiles((chosen) => chosen.reduce((before, file) => before.then(() => send(file)), Promise.resolve()));
  try {
    const { models, default: usual } = await (await request("v1/models")).json();
    byId("model").replaceChildren(...models.map(({ name }) => new Option(name, name, false, name === usual)));
  } catch (problem) {
    complain(problem);
  }
  await recall();
}

start();
