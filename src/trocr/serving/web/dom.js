// What all parts of the page use of it.
export const byId = (id) => document.getElementById(id);

/** A copy of what is in a template. */
export const copied = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** An element that holds a text. */
export const made = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

export const several = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

let spokenAt = 0;

/** For screen readers; what is not important is said at most every five seconds. */
export function speak(text, important = true) {
  if (!important && Date.now() - spokenAt < 5000) return;
  spokenAt = Date.now();
  byId("spoken").textContent = text;
}

/** Say what went wrong, and what to do about it. */
export function complain(problem, about = "") {
  const row = copied("problem");
  row.querySelector("strong").textContent = about ? `${about}: ${problem.message}` : problem.message;
  row.querySelector("span").textContent = problem.hint ?? "";
  row.querySelector("button").addEventListener("click", () => row.remove());
  byId("problems").replaceChildren(row);
}

/** A listener that does something once at a time, and says what went wrong. */
export const trying = (act) => async ({ currentTarget: button }) => {
  if (button.ariaBusy === "true") return; // not disabled: it would lose the focus
  button.ariaBusy = "true";
  await act().catch(complain);
  button.ariaBusy = "false";
};
