"use strict";
(() => {
  const STATES = { "": "", ok: "right", "not-text": "no text", skip: "skipped" };
  const prefix = `trocr-label:${document.body.dataset.key}:`;
  const items = [...document.querySelectorAll("li[data-line]")];
  const marks = new Map(items.map((item) => [item, ""]));
  const field = (item) => item.querySelector("input");
  const textOf = (item) => field(item).value.trim().replace(/\s+/gu, " ");

  const keep = (item) => {
    const { line, read } = item.dataset;
    const said = JSON.stringify({ read, text: textOf(item), mark: marks.get(item) });
    try {
      localStorage.setItem(prefix + line, said);
    } catch {
      document.getElementById("trouble").hidden = false;
    }
  };
  const recall = (item) => {
    try {
      const said = JSON.parse(localStorage.getItem(prefix + item.dataset.line) ?? "null");
      if (said && said.read === item.dataset.read && said.mark in STATES) {
        field(item).value = said.text;
        show(item, said.mark);
      }
    } catch {
      document.getElementById("trouble").hidden = false;
    }
  };
  const show = (item, mark) => {
    marks.set(item, mark);
    item.dataset.state = mark;
    item.querySelector(".state").textContent = STATES[mark];
    for (const button of item.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === mark));
    }
  };
  const count = () => {
    const done = items.filter((item) => marks.get(item)).length;
    document.getElementById("progress").value = done;
    document.getElementById("count").textContent = `${done} of ${items.length} lines done`;
  };
  const decide = (item, mark) => {
    show(item, mark === "ok" && !textOf(item) ? "not-text" : mark);
    keep(item);
    count();
  };
  const work = (item) => {
    field(item).focus();
    item.scrollIntoView({ block: "center" });
  };
  const go = (item, step) => {
    const next = items[items.indexOf(item) + step];
    if (next) work(next);
  };
  const restore = (item) => {
    field(item).value = item.dataset.read;
    decide(item, "");
  };

  const KEYS = {
    Enter: (item) => { decide(item, "ok"); go(item, 1); },
    ArrowDown: (item) => go(item, 1),
    ArrowUp: (item) => go(item, -1),
    Escape: restore,
  };
  const WITH_ALT = {
    KeyN: (item) => { decide(item, "not-text"); go(item, 1); },
    KeyK: (item) => { decide(item, "skip"); go(item, 1); },
  };
  document.querySelector("ol").addEventListener("keydown", (event) => {
    const item = event.target.closest("li");
    const other = event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing;
    const act = event.altKey ? WITH_ALT[event.code] : KEYS[event.key];
    // On a button, Enter is a click.
    if (!act || other || (event.target.tagName === "BUTTON" && !event.altKey)) return;
    event.preventDefault();
    act(item);
  });
  document.querySelector("ol").addEventListener("input", (event) => {
    const item = event.target.closest("li");
    decide(item, textOf(item) === item.dataset.read ? "" : "ok");
  });
  document.querySelector("ol").addEventListener("click", (event) => {
    const mark = event.target.dataset.mark;
    const item = event.target.closest("li");
    if (mark) decide(item, marks.get(item) === mark ? "" : mark);
  });
  document.getElementById("download").addEventListener("click", () => {
    const rows = items
      .filter((item) => marks.get(item))
      .map((item) => [item.dataset.line, item.dataset.read, textOf(item), marks.get(item)]);
    const table = [["line", "read", "text", "mark"], ...rows];
    const content = table.map((row) => `${row.join("\t")}\n`).join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/tab-separated-values" }));
    link.download = "corrections.tsv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  items.forEach(recall);
  count();
  const first = items.find((item) => !marks.get(item)) ?? items[0];
  work(first);
})();
