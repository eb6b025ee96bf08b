/* Formulas, progress marks, and what a keyboard needs. */
"use strict";

const MARKS = "rlrec:done";

function marks() {
  try {
    return new Set(JSON.parse(localStorage.getItem(MARKS) || "[]"));
  } catch {
    return new Set();  // no storage here: nothing is marked
  }
}

function mark(lesson, done) {
  const all = marks();
  done ? all.add(lesson) : all.delete(lesson);
  try {
    localStorage.setItem(MARKS, JSON.stringify([...all]));
  } catch {
    /* no storage here */
  }
  showMarks();
}

/* A tick beside each lesson that is done, in the menu and on the first page. */
function showMarks() {
  const all = marks();
  for (const link of document.querySelectorAll(".sidebar-tree a, .lessons a")) {
    const lesson = /\/?(\d\d)_\w+\.html/.exec(link.getAttribute("href") || "");
    const own = link.matches(".current-page > a") && document.querySelector(".done");
    const number = lesson ? lesson[1] : own ? own.dataset.lesson : null;
    if (number === null || link.href.includes("solutions")) continue;
    link.classList.toggle("is-done", all.has(number));
    link.querySelector(".tick")?.remove();
    if (all.has(number)) link.insertAdjacentHTML("beforeend", "<span class='tick'><span aria-hidden='true'> ✓</span><span class='unseen'> (done)</span></span>");
  }
  const button = document.querySelector(".done button");
  if (button) button.setAttribute("aria-pressed", all.has(button.dataset.lesson));
}

function addButton(place) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.lesson = place.dataset.lesson;
  button.textContent = `I have done lesson ${place.dataset.lesson}`;
  button.addEventListener("click", () => mark(button.dataset.lesson, button.getAttribute("aria-pressed") !== "true"));
  place.append(button, " The mark is kept in this browser only.");
}

function formulas() {
  for (const node of document.querySelectorAll(".tex")) {
    katex.render(node.textContent, node, {displayMode: node.tagName === "DIV"});
  }
  const delimiters = [{left: "$$", right: "$$", display: true}, {left: "$", right: "$", display: false}];
  for (const node of document.querySelectorAll("details")) renderMathInElement(node, {delimiters});
}

/* What scrolls sideways can be reached with the keyboard. */
function reachable() {
  const wide = document.querySelectorAll("pre, .output, .table-wrapper, .katex-display, div.tex, .lab-picture");
  for (const box of wide) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  }
}

/* Names that the theme, ticked lists and films of tables (lessons/drawing.py) lack. */
function names() {
  const lacking = {
    "p.caption[role=heading]": ["aria-level", "2"],
    ".task-list-item-checkbox": ["aria-label", "Done"],
    ".output input[type=range]:not([aria-label])": ["aria-label", "Which table of the film"],
  };
  for (const [where, [attribute, value]] of Object.entries(lacking)) {
    for (const node of document.querySelectorAll(where)) node.setAttribute(attribute, value);
  }
}

names();
document.querySelectorAll(".done").forEach(addButton);
formulas();
showMarks();
reachable();
addEventListener("resize", reachable);
