/* "You are the listener" without a kernel: presses, songs on offer, and what is shown.

Songs on offer and what plays depend on the session and the place alone: the same
presses bring the same songs. The numbers come from belief.js. */
"use strict";

const REACTIONS = {listen: ["Listen", "heard", "●"], skip: ["Skip", "skipped", "✕"], like: ["Like", "liked", "★"]};
const COLOURS = {listen: "#009e73", skip: "#d55e00", like: "#cc79a7"};
const MAP = 370;

function rlrecListener(key, data) {
  labs[key].player = new Listener(labs[key], data);
}

/* Uniform draws from [0, 1), the same for the same numbers (mulberry32). */
function draws(...numbers) {
  let state = numbers.reduce((mixed, one) => Math.imul(mixed ^ one, 0x9e3779b1) + 0x85ebca6b | 0, 1);
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function percent(share) {
  return share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`;
}

class Listener {
  constructor(box, data) {
    Object.assign(this, {box, data, plays: [], session: 1});
    this.build();
    this.show();
  }

  get over() {
    return this.plays.length >= this.data.length;
  }

  /* Songs on offer, best first, their probabilities, which one plays; and the belief. */
  offer() {
    const {sound, appeal, settings, offered} = this.data;
    const taken = new Set(this.plays.map((play) => play.song));
    const random = draws(this.session, this.plays.length);
    const songs = [];
    while (songs.length < offered) {
      const song = Math.floor(random() * sound.length);
      if (!taken.has(song)) songs.push(song);
      taken.add(song);
    }
    const sounds = this.plays.map((play) => sound[play.song]);
    const weights = belief(sounds, this.plays.map((play) => play.kind), settings, sound[0].length);
    const found = chances(weights, songs.map((song) => sound[song]), songs.map((song) => appeal[song]), settings);
    const order = songs.map((_, place) => place).sort((one, other) => found[other] - found[one]);
    const sorted = order.map((place) => found[place]);
    let left = random();
    let pick = sorted.findIndex((share) => (left -= share) < 0);
    if (pick < 0) pick = sorted.length - 1;
    return {weights, songs: order.map((place) => songs[place]), chances: sorted, pick};
  }

  react(kind) {
    const song = this.now.songs[this.now.pick];
    this.plays.push({song, kind});
    this.show();
  }

  newSession() {
    this.plays = [];
    this.session += 1;
    this.show();
  }

  build() {
    const title = element("p", {className: "lab-title", textContent: "You are the listener"});
    this.line = element("p", {className: "lab-line"});
    this.line.setAttribute("aria-live", "polite");
    this.buttons = Object.entries(REACTIONS).map(([kind, [word]]) => this.button(word, () => this.react(kind)));
    const again = this.button("New session", () => this.newSession());
    const form = element("div", {className: "lab-controls"}, ...this.buttons, again);
    form.setAttribute("role", "group");
    form.setAttribute("aria-label", "You are the listener");
    this.canvas = element("canvas", {width: 2 * MAP, height: 2 * MAP});
    this.canvas.setAttribute("role", "img");
    this.axes = element("p", {className: "lab-note", textContent: `Across: ${this.data.across}. Up: ${this.data.up}. Dark: expected to please. Arrow: where it believes you want to go.`});
    this.table = element("table");
    this.list = element("ol");
    this.head = element("p", {className: "lab-title"});
    const words = element("p", {className: "lab-title", textContent: "This song, and what it believes you like"});
    const parts = [[words, this.table], [element("p", {className: "lab-title", textContent: "The map of sound"}), this.canvas, this.axes], [this.head, this.list]];
    this.box.replaceChildren(title, this.line, form, element("div", {className: "listener"}, ...parts.map((part) => element("div", {}, ...part))));
  }

  button(word, action) {
    const made = element("button", {type: "button", textContent: word});
    made.addEventListener("click", action);
    return made;
  }

  /* Everything that a press changes. */
  show() {
    this.now = this.offer();
    const {data, now, over} = this;
    const scaled = now.weights.map((weight) => weight / data.settings.temperature);
    this.features = data.rises.map((row) => dot(row, scaled));  // log odds per sd
    this.slope = scaled.slice(0, 2);
    this.opinion = data.sound.map((sound) => dot(sound, scaled));
    const song = over ? this.plays.at(-1).song : now.songs[now.pick];
    this.buttons.forEach((button) => { button.disabled = over; });
    this.line.innerHTML = "";
    this.line.append(...this.words(song));
    this.showFeatures(song);
    this.head.textContent = over ? "Your session" : "On offer now, with their probabilities";
    this.list.replaceChildren(...(over ? this.sessionRows() : this.offerRows()));
    this.paint(song);
    this.box.dataset.plays = this.plays.length;
  }

  words(song) {
    const {data, plays, now} = this;
    const counts = Object.entries(REACTIONS).map(([kind, [, word]]) => `${plays.filter((play) => play.kind === kind).length} ${word}`).join(", ");
    if (this.over) return [element("b", {textContent: "The session is over"}), `: ${counts}. ${this.believes()}. Start another.`];
    const how = `drawn with probability ${percent(now.chances[now.pick])}`;
    return [element("b", {textContent: data.titles[song]}), `, ${how}. Song ${plays.length + 1} of ${data.length}; ${counts}. ${this.believes()}.`];
  }

  /* The two features with the longest bars, if long enough. */
  believes() {
    const size = (place) => Number(Math.abs(this.features[place]).toFixed(6));
    const longest = this.features.map((_, place) => place).sort((one, other) => size(other) - size(one)).slice(0, 2);
    const said = longest.filter((place) => size(place) > 0.25).map((place) => `${this.features[place] > 0 ? "more" : "less"} ${this.data.names[place]}`);
    return `It believes you like: ${said.join(" and ") || "nothing yet"}`;
  }

  showFeatures(song) {
    const most = Math.max(1.5, ...this.features.map(Math.abs));
    const head = element("tr", {}, ...["feature", "song, 0 to 1", "belief, log odds"].map((word) => element("th", {scope: "col", textContent: word})));
    const rows = this.data.names.map((name, place) => {
      const value = this.data.features[song][place];
      const odds = this.features[place];
      const sign = odds < 0 ? "−" : "+";
      const shown = Math.abs(odds) < 0.005 ? "0" : sign + Math.abs(odds).toFixed(2);
      return element("tr", {}, element("th", {scope: "row", textContent: name}), bar(value, value.toFixed(2), "song"), bar(Math.abs(odds) / most, shown, odds < 0 ? "less" : "more"));
    });
    this.table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  }

  offerRows() {
    return this.now.songs.map((song, place) => {
      const share = this.now.chances[place];
      const plays = place === this.now.pick;
      const row = element("li", {className: plays ? "plays" : ""}, this.data.titles[song], plays ? " (plays)" : "");
      const track = element("span", {className: "share"}, element("i", {className: "song"}), ` ${percent(share)}`);
      track.firstChild.style.width = `${80 * share}%`;
      row.append(track);
      return row;
    });
  }

  sessionRows() {
    return this.plays.map((play) => {
      const [, word, mark] = REACTIONS[play.kind];
      return element("li", {}, `${mark} ${this.data.titles[play.song]}, ${word}`);
    });
  }

  /* Place of a song on the canvas. */
  spot(song) {
    return [0, 1].map((axis) => {
      const {low, high, sound} = this.data;
      const share = (sound[song][axis] - low[axis]) / (high[axis] - low[axis]);
      const place = MAP * (0.03 + 0.94 * Math.min(Math.max(share, 0), 1));
      return axis ? MAP - place : place;
    });
  }

  paint(song) {
    const pen = this.canvas.getContext("2d");
    pen.setTransform(2, 0, 0, 2, 0, 0);
    pen.fillStyle = "white";
    pen.fillRect(0, 0, MAP, MAP);
    const order = this.opinion.map((_, one) => one).sort((one, other) => this.opinion[one] - this.opinion[other]);
    for (const one of order) {
      const share = Math.min(Math.max(this.opinion[one] / 5 + 0.5, 0), 1);
      const mixed = [[216, 41], [220, 92], [228, 140]].map(([pale, dark]) => Math.round(pale + share * (dark - pale)));
      pen.fillStyle = `rgb(${mixed})`;
      const [x, y] = this.spot(one);
      pen.fillRect(x - 1, y - 1, 2.5, 2.5);
    }
    if (!this.over) this.now.songs.forEach((one) => ring(pen, this.spot(one), one === song ? "#e69f00" : "rgb(255 255 255 / 60%)"));
    pen.font = "bold 15px sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const play of this.plays) stamp(pen, REACTIONS[play.kind][2], this.spot(play.song), COLOURS[play.kind]);
    this.arrow(pen);
    const played = this.plays.length;
    this.canvas.setAttribute("aria-label", `Map of ${this.data.sound.length} songs, ${played} of them played. ${this.believes()}.`);
  }

  /* Along the slope of the belief, up to a third of the map long. */
  arrow(pen) {
    const strength = Math.hypot(...this.slope);
    const length = 0.34 * Math.tanh(strength / 1.5) * MAP;
    if (length <= 0.02 * MAP) return;
    pen.save();
    pen.translate(MAP / 2, MAP / 2);
    pen.rotate(Math.atan2(-this.slope[1], this.slope[0]));
    pen.fillStyle = "black";
    pen.fillRect(0, -1.5, length - 10, 3);
    pen.beginPath();
    pen.moveTo(length, 0);
    pen.lineTo(length - 14, 7);
    pen.lineTo(length - 14, -7);
    pen.fill();
    pen.restore();
  }
}

/* A cell of a table: a bar, and its number. */
function bar(share, text, kind) {
  const filled = element("i", {className: kind});
  filled.style.width = `${Math.round(70 * share)}%`;
  return element("td", {}, filled, ` ${text}`);
}

function ring(pen, [x, y], colour) {
  pen.beginPath();
  pen.arc(x, y, 5, 0, 7);
  pen.fillStyle = colour;
  pen.strokeStyle = "black";
  pen.lineWidth = 1.5;
  pen.fill();
  pen.stroke();
}

function stamp(pen, sign, [x, y], colour) {
  pen.lineWidth = 3;
  pen.strokeStyle = "white";
  pen.fillStyle = colour;
  pen.strokeText(sign, x, y);
  pen.fillText(sign, x, y);
}
