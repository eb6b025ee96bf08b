/* What the agent of "You are the listener" believes about you, and what it plays.

The agent is TasteSoftmax of lesson 14. A test holds these numbers to Python's within
1e-9. `settings` has ridge, temperature and appealWeight. */
"use strict";

const WORTH = {skip: 0, listen: 1, like: 2};

function dot(one, other) {
  return one.reduce((sum, value, place) => sum + value * other[place], 0);
}

/* x with matrix x = right, by elimination; the matrix is positive definite. */
function solve(matrix, right) {
  const rows = matrix.map((row, place) => [...row, right[place]]);
  rows.forEach((row, place) => {
    for (const below of rows.slice(place + 1)) {
      const factor = below[place] / row[place];
      row.forEach((value, column) => { below[column] -= factor * value; });
    }
  });
  const found = right.map(() => 0);
  for (let place = right.length - 1; place >= 0; place--) {
    const rest = rows[place].at(-1) - dot(found, rows[place]);
    found[place] = rest / rows[place][place];
  }
  return found;
}

/* Ridge regression of what each play was worth on the song's sound, from 0. The mean
worth is taken over the plays and two imaginary ones, one heard and one skipped.
sounds [plays][d], kinds [plays] of "skip", "listen", "like"; returns [d]. */
function belief(sounds, kinds, settings, size) {
  const worth = kinds.map((kind) => WORTH[kind]);
  const mean = (worth.reduce((sum, one) => sum + one, 0) + 1) / (worth.length + 2);
  const gram = [];
  const moment = [];
  for (let i = 0; i < size; i++) {
    const column = sounds.map((sound) => sound[i]);
    gram.push([]);
    for (let j = 0; j < size; j++) {
      gram[i].push(dot(column, sounds.map((sound) => sound[j])) + (i === j ? settings.ridge : 0));
    }
    moment.push(dot(column, worth.map((one) => one - mean)));
  }
  return solve(gram, moment);
}

/* Probability of each song on offer: softmax of how much it is expected to please.
sounds [m][d], appeals [m]. */
function chances(weights, sounds, appeals, settings) {
  const scores = sounds.map((sound, place) => {
    const pleases = dot(sound, weights) + settings.appealWeight * appeals[place];
    return pleases / settings.temperature;
  });
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((all, one) => all + one, 0);
  return powers.map((power) => power / sum);
}
