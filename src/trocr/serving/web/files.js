// The list of files: sent, read, chosen to work on, ended.
import { request } from "./api.js";
import { grade } from "./confidence.js";
import { job as worked, work } from "./desk.js";
import { byId, complain, copied, several, speak } from "./dom.js";
import { submit } from "./intake.js";
import { Job } from "./job.js";

const JOBS = "trocr-jobs";
const items = new Map(); // job -> its item in the list

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

function remember() {
  sessionStorage.setItem(JOBS, JSON.stringify([...items.keys()].map(({ id }) => id)));
}

function choose(job) {
  for (const [each, item] of items) {
    item.querySelector(".open").setAttribute("aria-current", String(each === job));
  }
  work(job);
}

function mind(job, item) {
  items.set(job, item);
  remember();
  item.querySelector(".open").addEventListener("click", () => choose(job));
  item.querySelector(".end").addEventListener("click", () => end(job));
  item.querySelector(".end").hidden = false;
  job.addEventListener("status", () => {
    show(job);
    speak(`${job.name}: ${statusOf(job)}`, job.ended);
  });
  job.corrections.addEventListener("said", () => show(job));
  show(job);
  job.follow();
}

function statusOf(job) {
  if (job.lost && !job.ended) return "connection lost, trying again";
  if (job.status === "queued") return "waiting";
  if (job.status === "failed") return `failed: ${job.problem?.message ?? ""}`;
  const { lines, pages } = job;
  const count = several(lines.length, "line");
  if (job.status === "reading") {
    const { number, lines: read, expected = read.length } = pages.at(-1);
    return `page ${number}: ${read.length} of ${several(expected, "line")}`;
  }
  if (job.status === "cancelled") return `cancelled, ${count} read`;
  const open = lines.filter((line) => grade(line.confidence) !== "sure" && !job.corrections.of(line).mark);
  const failed = pages.filter((page) => page.problem).length;
  return `${count}, ${open.length} to check${failed ? `, ${several(failed, "page")} failed` : ""}`;
}

function show(job) {
  const item = items.get(job);
  item.querySelector(".status").textContent = statusOf(job);
  item.classList.toggle("failed", job.status === "failed");
  const bar = item.querySelector("progress");
  bar.hidden = job.ended;
  bar.setAttribute("aria-label", `${job.name} is read`);
  const expected = job.pages.reduce((sum, page) => sum + (page.expected ?? page.lines.length), 0);
  if (expected) bar.value = job.lines.length / expected;
  const end = item.querySelector(".end");
  end.title = job.ended ? "Remove" : "Cancel";
  end.setAttribute("aria-label", `${end.title} ${job.name}`);
}

/** Cancel a job that runs: what was read stays on the page. Remove one that has ended. */
async function end(job) {
  const { ended, kept } = job;
  if (ended && kept && job.corrections.learnable && !confirm(`Forget ${job.name} and its corrections?`)) return;
  if (ended) {
    unlist(items.get(job));
    items.delete(job);
    remember();
    if (job === worked) choose([...items.keys()].at(-1) ?? null);
  }
  if (kept) await job.cancel().catch((problem) => problem.status !== 404 && complain(problem, job.name));
  if (ended) job.release();
}

async function send(file, first) {
  const item = listed(file.name);
  const status = item.querySelector(".status");
  status.textContent = "is being sent";
  try {
    const told = await submit(file, () => (status.textContent = "waits: the server is busy"));
    const job = new Job(told);
    mind(job, item);
    if (first || !worked) choose(job);
  } catch (problem) {
    unlist(item);
    complain(problem, file.name);
  }
}

/** One after the other, as they came. */
export async function sendAll(files) {
  for (const file of files) await send(file, file === files[0]);
}

/** The files that were there before the page was loaded anew. */
export async function recall() {
  for (const id of JSON.parse(sessionStorage.getItem(JOBS) ?? "[]")) {
    try {
      const job = new Job(await (await request(`v1/jobs/${encodeURIComponent(id)}`)).json());
      await job.corrections.recall();
      mind(job, listed(job.name));
      if (!worked) choose(job);
    } catch (problem) {
      if (problem.status !== 404) complain(problem);
    }
  }
}

window.addEventListener("beforeunload", (event) => {
  if ([...items.keys()].some((job) => job.kept && job.corrections.unsaved)) event.preventDefault();
});
