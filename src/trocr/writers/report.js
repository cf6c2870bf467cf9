"use strict";
(() => {
  const partners = new Map();
  for (const element of document.querySelectorAll("[data-line]")) {
    const name = element.dataset.line;
    partners.set(name, [...(partners.get(name) ?? []), element]);
  }
  let shown = null;
  // Scroll only the panel: the line under the pointer must not move.
  const reveal = (element) => {
    if (element instanceof SVGElement) {
      const frame = element.closest(".frame");
      const [inner, outer] = [element.getBoundingClientRect(), frame.getBoundingClientRect()];
      if (inner.top < outer.top || inner.bottom > outer.bottom) {
        frame.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
      }
    } else {
      element.scrollIntoView({ block: "nearest" });
    }
  };
  const show = (target) => {
    const element = target instanceof Element ? target.closest("[data-line]") : null;
    const name = element ? element.dataset.line : null;
    if (name === shown) return;
    for (const old of partners.get(shown) ?? []) old.classList.remove("on");
    for (const one of partners.get(name) ?? []) {
      one.classList.add("on");
      if (one !== element) reveal(one);
    }
    shown = name;
  };
  document.addEventListener("pointerover", (event) => show(event.target));
  document.addEventListener("focusin", (event) => show(event.target));
})();
