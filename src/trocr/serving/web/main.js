// The page starts here: models, the key, and files that come in.
import { keys, request } from "./api.js";
import { byId, complain, made } from "./dom.js";
import { recall, sendAll } from "./files.js";
import { takeFiles } from "./intake.js";

keys.ask = (why) => {
  const dialog = byId("ask-key");
  byId("ask-key-why").textContent = why;
  byId("key-value").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answered) => {
    const close = () => {
      byId("key").hidden = false;
      answered(dialog.returnValue === "ok" ? byId("key-value").value : null);
    };
    dialog.addEventListener("close", close, { once: true });
  });
};

byId("key").addEventListener("click", async () => {
  const key = await keys.ask("Requests from now on carry it.");
  if (key) keys.set(key);
  if (key && !byId("model").length) start();
});
byId("cancel-key").addEventListener("click", () => byId("ask-key").close());

async function showModels() {
  const { models, default: usual } = await (await request("v1/models")).json();
  byId("model").replaceChildren(...models.map(({ name }) => new Option(name, name, false, name === usual)));
  byId("about-models").replaceChildren(
    ...models
      .filter(({ description }) => description)
      .flatMap(({ name, description }) => [made("dt", name), made("dd", description.replaceAll("`", ""))]),
  );
}

const start = () => showModels().then(recall).catch(complain);

takeFiles(sendAll);
start();
