// Files in: chosen, photographed, dropped or pasted, and sent one after the other.
import { passing, pause, request } from "./api.js";
import { byId } from "./dom.js";

/** Call `taken` with the files of each of the ways they come in. */
export function takeFiles(taken) {
  const take = (files) => files?.length && taken([...files]);
  for (const field of [byId("choose"), byId("photo")]) {
    field.addEventListener("change", () => {
      take(field.files);
      field.value = "";
    });
  }
  document.addEventListener("paste", (event) => take(event.clipboardData?.files));
  const over = (event) => {
    const files = event.dataTransfer.types.includes("Files");
    if (files) event.preventDefault();
    document.body.classList.toggle("dropping", files && event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, over);
  document.addEventListener("drop", (event) => take(event.dataTransfer.files));
}

/** What the server says of the new job; waits while the server is busy. */
export async function submit(file, waiting) {
  const asked = {
    model: byId("model").value, // empty until the server has said which there are
    pages: byId("pages").value.trim(),
    keep_text: byId("keep-text").checked ? "true" : "",
  };
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
  const password = byId("password").value;
  // UTF-8; headers are sent byte by byte.
  const bytes = String.fromCharCode(...new TextEncoder().encode(password));
  const headers = password ? { "X-Document-Password": bytes } : {};
  for (;;) {
    const body = new FormData();
    body.append("file", file, file.name);
    try {
      return await (await request(`v1/jobs?${query}`, { method: "POST", headers, body })).json();
    } catch (problem) {
      if (!passing(problem) || !problem.retryAfter) throw problem;
      waiting(problem);
      await pause(problem.retryAfter);
    }
  }
}
