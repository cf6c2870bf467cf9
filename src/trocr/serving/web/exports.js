// Files out: the document in any format, and a set to train on.
import { request } from "./api.js";

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const stemOf = (job) =>
  job.name.replace(/\.[^.]*$/u, "").replace(/[^\p{L}\p{N}._]+/gu, "-").replace(/^[-.]+/u, "") || "document";

/** The name that the server gives a file, or else this one. */
function nameOf(answer, otherwise) {
  const said = answer.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=utf-8''([^;]+)/iu.exec(said)?.[1];
  return encoded ? decodeURIComponent(encoded) : /filename="?([^";]+)/u.exec(said)?.[1] ?? otherwise;
}

async function corrected(job, format) {
  await job.corrections.saved();
  return request(`${job.path}/document?format=${encodeURIComponent(format)}`);
}

export async function download(job, format) {
  const answer = await corrected(job, format);
  save(await answer.blob(), nameOf(answer, `${stemOf(job)}.${format}`));
}

/** Safari wants to be asked at once, before the text is there. */
export async function copy(job) {
  const type = "text/plain";
  const text = corrected(job, "txt").then(async (answer) => new Blob([await answer.text()], { type }));
  await navigator.clipboard.write([new ClipboardItem({ [type]: text })]);
}

const trainingSet = (job) => `${stemOf(job)}-training-set.zip`;

export async function downloadTrainingSet(job) {
  await job.corrections.saved();
  save(await (await request(`${job.path}/training-set`)).blob(), trainingSet(job));
}

const quoted = (word) => (/^[\w./:@+-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** What to run, as one types it into a shell. */
export function trainingCommands(job) {
  const result = `${stemOf(job)}-model`;
  return [
    `trocr finetune ${quoted(job.model)} ${quoted(trainingSet(job))} -o ${quoted(result)}`,
    `trocr read next-page.jpg --model ${quoted(`${result}/model`)}`,
  ].join("\n");
}
