"""``rlrec/Listening-v0`` as compiled TensorFlow: whole sessions without a host.

A twin of the NumPy environment, which stays the reference: the same distribution, in
float32; the formulas are those of `rlrec.envs.listeners`. Policy and listeners take
turns in one compiled loop, so that a training can live on one device.

A state is a dictionary of tensors [batch, ...]: what `rlrec.envs.Listeners` hides,
``steps`` so far, ``over`` (the session has ended), and what is seen. Random numbers
come from a seed, a tensor of two integers, by a counter-based generator: one seed, one
result. Unlike in NumPy, a row's numbers depend on the size of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlrec.envs import listeners
from rlrec.envs.catalogue import Catalogue, default_catalogue
from rlrec.envs.dials import Dials
from rlrec.errors import require_ranges
from rlrec.nn.backend import tf
from rlrec.nn.networks import Batch, Tensor
from rlrec.types import Arrays

# of each step, beside what a policy records
RECORD = ("songs", "fraction", "liked", "skipped", "reward", "ended", "live")
ALGORITHM = "threefry"  # nine times as fast as Philox here; only in compiled code


class CompiledListening:
    """The constants of a catalogue and of dials, and pure functions of tensors.

    ``reward``: a function of tensors (fraction, liked, skipped); None: 1 for a song
    heard. ``n_candidates``: 0 if any song may be played. The rest, and ``ConfigError``,
    as in `rlrec.envs.ListeningBatch`.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        reward: Callable[..., Tensor] | None = None,
        n_candidates: int = 0,
        history: int = 10,
        **dials: float,
    ) -> None:
        self.reward = reward or (lambda *heard: tf.cast(~heard[2], tf.float32))
        self.n_candidates = n_candidates
        self.history = history
        require_ranges(self, [("n_candidates", 0, 40), ("history", 1, 20)])
        catalogue = catalogue or default_catalogue()
        self.songs = len(catalogue)
        self.dials = Dials(**dials)
        self.sound = tf.constant(catalogue.sound, tf.float32)
        self.direction = tf.constant(catalogue.direction, tf.float32)
        appeal = self.dials.appeal_strength * catalogue.appeal
        self.appeal = tf.constant(appeal, tf.float32)
        widened = listeners.Listeners(1, catalogue, self.dials).skip_logit
        self.skip_logit = tf.constant(widened, tf.float32)  # [mood]
        self.turn_logit = tf.constant(listeners.TURN_LOGIT.ravel(), tf.float32)
        self.draws = tf.function(self._draws, jit_compile=True)
        self.play = tf.function(self._play, jit_compile=True)

    def _draws(self, seed: Tensor, n: int) -> Tensor:
        """The random numbers in [0, 1) of a step of ``n`` rows: [10 + k, n].

        In a row that begins a session: taste (5), restlessness, mood, length. In
        another: skip, like, mood, fraction heard, leaving, drift (5). Then candidates.
        """
        shape = (10 + self.n_candidates, n)
        return tf.random.stateless_uniform(shape, seed, alg=ALGORITHM)

    def begin(self, seed: Tensor, n: int) -> Batch:
        """The state of ``n`` new sessions."""
        return self.begin_from(self.draws(seed, n))

    def begin_from(self, draws: Tensor) -> Batch:
        """The state of new sessions, given ``draws``."""
        lean = tf.constant(self.dials.lean(), tf.float32)
        taste = _unit(_normal(draws[:5]) + lean)
        restless = listeners.RESTLESS_SD * _normal(draws[5:6])[:, 0]
        mood = draws[6] < tf.sigmoid(listeners.START_LOGIT + restless)
        part = draws[7] / (1.0 - listeners.AT_LONGEST)  # from 1 on: the longest
        more = part * (listeners.LONGEST - listeners.SHORTEST)
        length = listeners.SHORTEST + tf.cast(more, tf.int32)
        none = tf.zeros_like(length)
        return {
            "taste": taste,
            "mood": tf.cast(mood, tf.int32),
            "restless": restless,
            "memory": tf.zeros_like(taste),
            "length": tf.minimum(length, listeners.LONGEST),
            "steps": none,
            "over": none > 0,
            "history": tf.tile(none[:, None] - 1, (1, self.history)),
            "feedback": tf.zeros((*none.shape, self.history, 3)),
            "candidates": tf.cast(tf.transpose(draws[10:]) * self.songs, tf.int32),
        }

    def observe(self, state: Batch) -> Batch:
        """What `rlrec.envs.ListeningBatch` shows with ``observe="ids"``."""
        seen = {name: state[name] for name in ("history", "feedback", "candidates")}
        return seen | {"position": state["steps"][:, None]}

    def step(self, state: Batch, songs: Tensor, seed: Tensor) -> tuple[Any, ...]:
        """Play ``songs`` [n]; a row that is over begins a session and plays nothing.

        The next state; then fraction heard, liked, skipped, reward, ended: [n] each.
        """
        return self.step_from(state, songs, self.draws(seed, songs.shape[0]))

    def step_from(self, state: Batch, songs: Tensor, draws: Tensor) -> tuple[Any, ...]:
        """``step``, given ``draws``."""
        over = state["over"]
        first = self.begin_from(draws)
        played, *heard = self._react(state, songs, draws)
        played = first | played  # new candidates
        heard.append(self.reward(*heard))
        choose = tf.compat.v1.where  # by a condition [n], among rows [n, ...]
        following = {name: choose(over, first[name], played[name]) for name in first}
        heard = [choose(over, tf.zeros_like(part), part) for part in heard]
        return following, *heard, following["over"]

    def _react(self, state: Batch, songs: Tensor, draws: Tensor) -> tuple[Any, ...]:
        """`Listeners.react`, drift and leaving: state, fraction, liked, skipped."""
        skip, like, turn, heard, leave = tf.unstack(draws[:5])
        taste = state["taste"]
        affinity = tf.reduce_sum(tf.gather(self.sound, songs) * taste, 1)
        pull = self.dials.taste_strength * affinity + tf.gather(self.appeal, songs)
        restless = state["restless"]
        skip_logit = tf.gather(self.skip_logit, state["mood"]) + restless - pull
        skipped = skip < tf.sigmoid(skip_logit)
        liked = ~skipped & (like < tf.sigmoid(listeners.LIKE_LOGIT + pull))
        fraction = _fraction(skipped, heard)
        direction = tf.gather(self.direction, songs)  # [n, 5]
        memory = state["memory"]
        closeness = tf.maximum(tf.reduce_sum(direction * memory, 1), 0.0)
        fatigue = closeness - listeners.TYPICAL_CLOSENESS * tf.norm(memory, axis=1)
        place = 2 * state["mood"] + tf.cast(skipped, tf.int32)
        turn_logit = tf.gather(self.turn_logit, place) + restless
        weight = listeners.FATIGUE_WEIGHT * self.dials.long_term_effect
        mood = turn < tf.sigmoid(turn_logit + weight * fatigue)
        flags = tf.cast(tf.stack([liked, skipped, mood], 1), tf.float32)
        left = leave < 0.5 * self.dials.churn * tf.reduce_sum(flags[:, 1:], 1)
        step = self.dials.taste_drift
        if step > 0.0:
            taste = _unit((1.0 - step) * taste + step * _unit(_normal(draws[5:10])))
        steps = state["steps"] + 1
        reaction = tf.concat([fraction[:, None], flags[:, :2]], 1)
        following = {
            "taste": taste,
            "mood": tf.cast(mood, tf.int32),
            "restless": restless,
            "memory": listeners.MEMORY * memory + (1.0 - listeners.MEMORY) * direction,
            "length": state["length"],
            "steps": steps,
            "over": left | (steps >= state["length"]),
            "history": tf.concat([state["history"][:, 1:], songs[:, None]], 1),
            "feedback": tf.concat([state["feedback"][:, 1:], reaction[:, None]], 1),
        }
        return following, fraction, liked, skipped

    def _play(
        self, policy: Callable[..., Any], state: Batch, steps: int, seed: Tensor
    ) -> tuple[Batch, Batch]:
        """``steps`` steps of ``policy`` in one call: the last state, and a record.

        ``policy``: what is seen [batch, ...] and a seed -> song ids [batch], and what
        else to record, name -> [batch, ...]. The record, [steps, batch, ...], has also
        songs, fraction, liked, skipped, reward, ended, and live, False where a row
        began a session. A new ``policy`` compiles anew.
        """
        seeds = tf.reshape(tf.random.split(seed, 2 * steps, alg=ALGORITHM), (-1, 2, 2))

        def one(state: Batch, seeds: Tensor) -> tuple[Batch, Batch]:
            songs, kept = policy(self.observe(state), seeds[0])
            following, *heard = self.step(state, songs, seeds[1])
            values = zip(RECORD, (songs, *heard, ~state["over"]), strict=True)
            return following, {**kept, **dict(values)}

        def step(t: Tensor, state: Batch, record: Batch) -> tuple[Any, ...]:
            following, values = one(state, seeds[t])
            written = {name: record[name].write(t, values[name]) for name in record}
            return t + 1, following, written

        kinds = one(state, seeds[0])[1]  # their types and shapes
        record = {
            name: tf.TensorArray(values.dtype, steps, element_shape=values.shape)
            for name, values in kinds.items()
        }
        _, state, record = tf.while_loop(
            lambda t, *_: t < steps, step, (0, state, record)
        )
        return state, {name: values.stack() for name, values in record.items()}


class CompiledBatch:
    """``num_envs`` compiled listeners as a training needs them: they keep their state.

    They take the place of `rlrec.envs.ListeningBatch` for an agent that plays whole
    rounds in one call.
    """

    def __init__(self, listeners: CompiledListening, num_envs: int) -> None:
        self.listeners = listeners
        self.num_envs = num_envs
        self.reset(seed=0)

    def reset(self, *, seed: int) -> tuple[Arrays, Arrays]:
        """Begin anew with ``seed``, 0..2**62 - 1; what is seen, and nothing."""
        high, low = divmod(seed, 2**31)
        self.seed = np.array([high, low], np.int32)
        self.rounds = 0
        self.now = self.listeners.begin(self._next_seed(), self.num_envs)
        return self._observe(), {}

    def play(self, policy: Callable[..., Any], steps: int) -> Arrays:
        """`CompiledListening.play` from where they stand; its record as arrays."""
        now, record = self.listeners.play(policy, self.now, steps, self._next_seed())
        self.now = now
        return {name: values.numpy() for name, values in record.items()}

    def _next_seed(self) -> Tensor:
        self.rounds += 1
        seed = tf.random.experimental.stateless_fold_in(self.seed, self.rounds)
        return tf.cast(seed, tf.int32)

    def _observe(self) -> Arrays:
        seen = self.listeners.observe(self.now)
        return {name: values.numpy() for name, values in seen.items()}

    def state(self) -> Arrays:
        """A copy of all state, for a checkpoint."""
        now = {name: values.numpy() for name, values in self.now.items()}
        return now | {"seed": self.seed, "rounds": np.array(self.rounds)}

    def restore(self, state: Arrays) -> None:
        """Continue from what ``state`` returned, bit-identically."""
        self.seed = state["seed"]
        self.rounds = int(state["rounds"])
        self.now = {name: tf.constant(state[name]) for name in self.now}


def _normal(draws: Tensor) -> Tensor:
    """Uniform ``draws`` [d, n] turned into standard normal numbers: [n, d]."""
    nearest = 1.0 - 2.0**-24  # to 1 in float32
    centred = tf.clip_by_value(2.0 * tf.transpose(draws) - 1.0, -nearest, nearest)
    return 2.0**0.5 * tf.math.erfinv(centred)


def _unit(vectors: Tensor) -> Tensor:
    """``vectors`` [n, d] scaled to length 1."""
    return vectors / tf.maximum(tf.norm(vectors, axis=1, keepdims=True), 1e-12)


def _fraction(skipped: Tensor, draws: Tensor) -> Tensor:
    """The fraction heard in [0, 1], as in `rlrec.envs.listeners`: [n]."""
    early = listeners.EARLY_SKIP
    partly = listeners.PARTLY_HEARD
    late = 0.1 + 0.4 * (draws - early) / (1.0 - early)
    skip = tf.where(draws < early, 0.1 * draws / early, late)
    listen = tf.where(draws < partly, 0.5 + 0.5 * draws / partly, 1.0)
    return tf.where(skipped, skip, listen)
