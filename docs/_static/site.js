// What the theme leaves to say to screen readers and keyboards.
"use strict";

const all = (selector) => document.querySelectorAll(selector);

function label(selector, words, role) {
  for (const element of all(selector)) {
    element.setAttribute("aria-label", words);
    if (role) element.setAttribute("role", role);
  }
}

// What scrolls inside itself must be reachable with the keyboard.
function reachScrolling() {
  for (const element of all("pre, .table-wrapper, .cell_output, .cell_output > .output, div.math, figure.plot"))
    if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const caption of all("p.caption[role=heading]")) caption.setAttribute("aria-level", "2");
  label("aside.sidebar-drawer", "All pages");
  label("aside.toc-drawer", "On this page");
  label(".content-icon-container", "Source and theme", "navigation");
  // Sphinx breaks long signatures into a definition list that defines nothing
  for (const list of all("dt.sig dl")) {
    const lines = document.createElement("ul");
    lines.className = "signature";
    for (const item of list.children) lines.append(Object.assign(document.createElement("li"), {innerHTML: item.innerHTML}));
    list.replaceWith(lines);
  }
  reachScrolling();
});
window.addEventListener("load", reachScrolling);
window.addEventListener("resize", reachScrolling);
