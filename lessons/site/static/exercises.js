/* Exercises that ask for numbers, checked in the page: the words are those of `check`
(rlrec/viz/exercises.py). What is expected stands in the page, as the solution does. */
"use strict";

/* "1.5, 9/16" -> [1.5, 0.5625]; null where something is no number. */
function numbers(text) {
  const parts = text.replace(/[[\]()]/g, " ").trim().split(/[\s,;]+/).filter(Boolean);
  const values = parts.map((part) => {
    const [top, below = "1", more] = part.split("/");
    return top === "" || below === "" || more !== undefined ? NaN : Number(top) / Number(below);
  });
  return values.length && values.every(Number.isFinite) ? values : null;
}

function agree(one, other, tolerance) {
  return one.length === other.length && one.every((value, place) => Math.abs(value - other[place]) <= tolerance);
}

function judge(yours, {expected, tolerance, mistakes}) {
  if (yours.length !== expected.length) return `Not right yet: ${yours.length} of ${expected.length} numbers.`;
  const same = yours.map((value, place) => Math.abs(value - expected[place]) <= tolerance);
  if (same.every(Boolean)) return "Correct.";
  const right = same.filter(Boolean).length;
  const turned = agree(yours.map((value) => -value), expected, 1e-3);
  const known = mistakes.find(([values]) => agree(yours, values, tolerance));
  const found = [
    "Not right yet",
    expected.length > 1 ? `: ${right} of ${expected.length} ${right === 1 ? "is" : "are"} right` : "",
    turned ? ": the sign is the other way round" : "",
  ];
  return `${found.join("")}.${known ? ` ${known[1]}` : ""}`;
}

function addTry(place) {
  const exercise = JSON.parse(place.dataset.exercise);
  const several = exercise.expected.length > 1 ? `your ${exercise.expected.length} numbers, in order` : "your number";
  const input = document.createElement("input");
  input.autocomplete = "off";
  const label = document.createElement("label");
  label.append(`Exercise ${exercise.number}, ${several}: `, input);
  const button = document.createElement("button");
  button.textContent = "Check";
  const said = document.createElement("output");
  place.addEventListener("submit", (event) => {
    event.preventDefault();
    const yours = numbers(input.value);
    said.textContent = yours ? judge(yours, exercise) : "Numbers are asked for, such as 1.5 or 9/16.";
  });
  place.append(label, " ", button, said);
}

document.querySelectorAll("form.try").forEach(addTry);
