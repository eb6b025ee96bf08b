/* A widget without a kernel: its pictures were drawn beforehand (frames.py).

A setting is a list of places, one a control, among the values that were drawn. The
controls always show a setting that was drawn: moving one moves others back where the
picture would be missing, and the note says so. */
"use strict";

const labs = {};  // key -> element that waits for its frames

function rlrecLab(key, data) {
  new Player(labs[key], data);
}

/* The number of the frame nearest to `state` among those where control `moved` stands as
it does there. Controls touched last (large `touched`) are kept before others. */
function nearest(frames, state, moved, touched, sizes) {
  let best = -1;
  let least = Infinity;
  frames.forEach((frame, number) => {
    if (moved !== null && frame[moved] !== state[moved]) return;
    let distance = 0;
    frame.forEach((place, control) => {
      if (place === state[control]) return;
      const part = Math.abs(place - state[control]) / sizes[control];
      distance += (1 + part) * (1 + touched[control]);
    });
    if (distance < least) [least, best] = [distance, number];
  });
  return best;
}

class Player {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.at = `${box.dataset.at}${box.dataset.lab}/`;
    this.sheets = new Map();
    this.sizes = data.controls.map((control) => control.shown.length);
    this.build();
    this.show(0, []);
  }

  build() {
    const {data, box} = this;
    const title = document.createElement("p");
    title.className = "lab-title";
    title.textContent = data.title;
    const form = document.createElement("div");
    form.className = "lab-controls";
    form.setAttribute("role", "group");
    form.setAttribute("aria-label", data.title);
    this.inputs = data.controls.map((control, number) => this.input(form, control, number));
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Start again";
    again.addEventListener("click", () => this.restart());
    form.append(again);
    this.line = Object.assign(document.createElement("p"), {className: "lab-line"});
    this.line.setAttribute("aria-live", "polite");
    this.note = Object.assign(document.createElement("p"), {className: "lab-note"});
    this.note.setAttribute("role", "status");
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, {width: data.width, height: data.height, hidden: true});
    this.canvas.setAttribute("role", "img");
    const frame = Object.assign(document.createElement("div"), {className: "lab-picture"});
    frame.append(...box.querySelectorAll("img"), this.canvas);
    box.replaceChildren(title, form, this.line, this.note, frame);
  }

  input(form, control, number) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    name.textContent = control.label;
    if (control.unit) label.title = control.unit;
    const input = document.createElement(control.kind === "list" ? "select" : "input");
    if (control.kind === "list") {
      control.shown.forEach((text, place) => input.add(new Option(text, place)));
    } else if (control.kind === "check") {
      input.type = "checkbox";
    } else {
      Object.assign(input, {type: "range", min: 0, max: control.shown.length - 1, step: 1});
      input.readout = document.createElement("output");
    }
    input.addEventListener("input", () => this.move(number));
    label.append(name, input, ...(input.readout ? [input.readout] : []));
    form.append(label);
    return input;
  }

  place(number) {
    const input = this.inputs[number];
    return input.type === "checkbox" ? Number(input.checked) : Number(input.value);
  }

  /* The reader has moved a control. */
  move(number) {
    const wished = this.inputs.map((_, control) => this.place(control));
    const linked = this.data.follows[number];
    const state = linked ? linked[wished[number]] : wished;
    this.touched = this.touched.map((when) => when / 2);
    this.touched[number] = 1;
    const frame = nearest(this.data.frames, state, number, this.touched, this.sizes);
    const found = this.data.frames[frame];
    const back = linked ? [] : found.map((_, n) => n).filter((n) => found[n] !== wished[n]);
    this.show(frame, back);
  }

  restart() {
    this.show(0, []);
  }

  show(frame, back) {
    const {controls, frames, lines} = this.data;
    if (frame === 0) this.touched = controls.map(() => 0);
    this.frame = frame;
    frames[frame].forEach((place, number) => {
      const input = this.inputs[number];
      const shown = controls[number].shown[place];
      if (input.type === "checkbox") input.checked = place === 1;
      else input.value = place;
      if (input.readout) {
        input.readout.textContent = shown;
        input.setAttribute("aria-valuetext", shown);
      }
    });
    this.line.innerHTML = lines[frame];
    const moved = back.map((n) => `${controls[n].label} went back to ${controls[n].shown[frames[frame][n]]}`);
    this.note.textContent = moved.length ? `Not drawn together: ${moved.join(", ")}.` : "";
    this.canvas.setAttribute("aria-label", `${this.data.title}: ${this.line.textContent}`);
    this.paint(frame);
  }

  async paint(frame) {
    const {width, height, perSheet} = this.data;
    const image = await this.sheet(Math.floor(frame / perSheet));
    if (frame !== this.frame) return;  // moved on while the sheet came
    const top = (frame % perSheet) * height;
    this.canvas.getContext("2d").drawImage(image, 0, top, width, height, 0, 0, width, height);
    this.canvas.hidden = false;
    this.box.querySelector("img")?.remove();
    this.box.dataset.frame = frame;
    reachable();
  }

  async sheet(number) {
    if (!this.sheets.has(number)) {
      const image = new Image();
      image.src = `${this.at}${number}.webp`;
      this.sheets.set(number, image.decode().then(() => image));
    }
    return this.sheets.get(number);
  }
}

function load(box) {
  labs[box.dataset.lab] = box;
  const script = document.createElement("script");
  script.src = `${box.dataset.at}${box.dataset.lab}/frames.js`;
  document.head.append(script);
}

const near = new IntersectionObserver((seen) => {
  for (const {isIntersecting, target} of seen) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    load(target);
  }
}, {rootMargin: "600px"});
document.querySelectorAll(".lab").forEach((box) => near.observe(box));
