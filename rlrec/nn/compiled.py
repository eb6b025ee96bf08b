"""``rlrec/Listening-v0`` as compiled TensorFlow: whole sessions without a host.

A twin of `rlrec.envs.listening` with the actions "song" and "candidate": the same
listeners, dials and distribution, in float32. The NumPy environment is the reference;
its formulas stand in `rlrec.envs.listeners`, under the same names as here. This one is
for a training that lives on one device: the policy and the listeners take turns in one
compiled loop.

A state is a dictionary of tensors [batch, ...]: what `Listeners` hides (taste, mood,
restless, memory, length), ``steps`` so far, ``over`` (the session has ended), and what
is seen: ``history`` [batch, history] and ``feedback`` [batch, history, 3], oldest
first, with ``candidates`` [batch, k].

Random numbers come from a seed, a tensor of two integers, by a counter-based generator
(Threefry): one seed, one result. Unlike the NumPy environment, a row's
numbers depend on the size of the batch. Not here: points, slates, info.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rlrec.envs.catalogue import SOUND_DIMENSIONS, Catalogue, default_catalogue
from rlrec.envs.dials import Dials, named_setting
from rlrec.envs.listeners import (
    AT_LONGEST,
    DRAWS,
    EARLY_SKIP,
    FATIGUE_WEIGHT,
    LIKE_LOGIT,
    LONGEST,
    MEMORY,
    PARTLY_HEARD,
    RESTLESS_SD,
    SHORTEST,
    START_LOGIT,
    TURN_LOGIT,
    TYPICAL_CLOSENESS,
    Listeners,
)
from rlrec.envs.rewards import (
    BinaryReward,
    FractionReward,
    ListenSkipReward,
    get_reward,
)
from rlrec.errors import ConfigError, require_ranges
from rlrec.nn.backend import tf
from rlrec.nn.networks import Batch, Tensor

# what is seen [batch, ...] and a seed -> song ids [batch]
SongPolicy = Callable[[Batch, Tensor], Tensor]
ALGORITHM = "threefry"  # eight times as fast as Philox here; only in compiled code
NEAREST = 2.0**-24  # float32 draws lie no nearer to 0 or 1


class CompiledListening:
    """The constants of a catalogue and of dials, and pure functions of tensors.

    Settings as in `rlrec.envs.ListeningBatch`; ``n_candidates`` 0: a policy may play
    any song. ``reward``: a name, or one of the classes of `rlrec.envs.rewards`. Raises
    ``ConfigError`` for other settings.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        reward: Any = "binary",
        n_candidates: int = 0,
        history: int = 10,
        setting: str = "teaching",
        **dials: float,
    ) -> None:
        self.n_candidates = n_candidates
        self.history = history
        require_ranges(self, [("n_candidates", 0, 40), ("history", 1, LONGEST)])
        given = get_reward(reward)
        if not isinstance(given, BinaryReward | ListenSkipReward | FractionReward):
            raise ConfigError(f"{given!r} is not known to compiled listeners")
        self.reward = given
        catalogue = catalogue or default_catalogue()
        self.songs = len(catalogue)
        self.dials = Dials(**{**named_setting(setting), **dials})
        self.sound = tf.constant(catalogue.sound, tf.float32)
        self.direction = tf.constant(catalogue.direction, tf.float32)
        appeal = self.dials.appeal_strength * catalogue.appeal
        self.appeal = tf.constant(appeal, tf.float32)
        widened = Listeners(1, catalogue, self.dials).skip_logit
        self.skip_logit = tf.constant(widened, tf.float32)  # [mood]
        self.turn_logit = tf.constant(TURN_LOGIT.ravel(), tf.float32)
        self.draws = tf.function(self._draws, jit_compile=True)
        self._compiled = tf.function(self._play, jit_compile=True)

    # -- random numbers ----------------------------------------------------------------
    def _draws(self, seed: Tensor, n: int) -> Batch:
        """The random numbers of one step of ``n`` rows.

        ``uniform`` [10, n] in [0, 1). In a row that begins a session: taste (5),
        restlessness, mood, length. In another: skip, like, mood, fraction heard,
        leaving, and where taste drifts (5). ``candidates`` [n, k]: song ids.
        """
        here, there = tf.unstack(tf.random.split(seed, 2, alg=ALGORITHM))
        shape = (n, self.n_candidates)
        random = partial(tf.random.stateless_uniform, alg=ALGORITHM)
        return {
            "uniform": random((DRAWS + 1 + SOUND_DIMENSIONS, n), here),
            "candidates": random(shape, there, 0, self.songs, tf.int32),
        }

    # -- a session ---------------------------------------------------------------------
    def begin(self, seed: Any, n: int) -> Batch:
        """The state of ``n`` new sessions; ``seed``: two integers."""
        return self.begin_from(self.draws(tf.constant(seed, tf.int32), n))

    def begin_from(self, draws: Batch) -> Batch:
        """The state of new sessions, given their random numbers (see ``draws``)."""
        uniform = draws["uniform"]
        normal = _normal(uniform[:SOUND_DIMENSIONS])
        taste = _unit(normal + tf.constant(self.dials.lean(), tf.float32))
        restless = RESTLESS_SD * _normal(uniform[5:6])[:, 0]
        mood = uniform[6] < tf.sigmoid(START_LOGIT + restless)
        part = uniform[7] / (1.0 - AT_LONGEST)  # 1 and above: the longest session
        length = SHORTEST + tf.cast(part * (LONGEST - SHORTEST), tf.int32)
        none = tf.zeros_like(length)
        return {
            "taste": taste,
            "restless": restless,
            "mood": tf.cast(mood, tf.int32),
            "memory": tf.zeros_like(taste),
            "length": tf.minimum(length, LONGEST),
            "steps": none,
            "over": none > 0,
            "history": tf.tile(none[:, None] - 1, (1, self.history)),
            "feedback": tf.zeros((*none.shape, self.history, 3)),
            "candidates": draws["candidates"],
        }

    def observe(self, state: Batch) -> Batch:
        """What a policy sees: `ListeningBatch`'s observation with ``observe="ids"``."""
        names = ("history", "feedback", "candidates")
        seen = {name: state[name] for name in names}
        return seen | {"position": state["steps"][:, None]}

    def step(self, state: Batch, songs: Tensor, seed: Tensor) -> tuple[Any, ...]:
        """Play ``songs`` [n]; a row that is over begins a session and plays nothing.

        The next state; then fraction heard, liked, skipped, reward, ended: [n] each.
        """
        return self.step_from(state, songs, self.draws(seed, songs.shape[0]))

    def step_from(self, state: Batch, songs: Tensor, draws: Batch) -> tuple[Any, ...]:
        """``step``, given its random numbers (see ``draws``)."""
        played, fraction, liked, skipped = self._react(state, songs, draws)
        over = state["over"]
        first = self.begin_from(draws)
        following = {name: _choose(over, first[name], played[name]) for name in first}
        reward = tf.where(over, 0.0, self._reward(fraction, liked, skipped))
        fraction = tf.where(over, 0.0, fraction)
        ended = following["over"]
        return following, fraction, liked & ~over, skipped & ~over, reward, ended

    def _react(self, state: Batch, songs: Tensor, draws: Batch) -> tuple[Any, ...]:
        """`Listeners.react`, drift, leaving and the end of a session, in every row."""
        skip, like, turn, heard, leave = tf.unstack(draws["uniform"][:5])
        direction = tf.gather(self.direction, songs)  # [n, 5]
        affinity = tf.reduce_sum(tf.gather(self.sound, songs) * state["taste"], 1)
        pull = self.dials.taste_strength * affinity + tf.gather(self.appeal, songs)
        restless = state["restless"]
        logit = tf.gather(self.skip_logit, state["mood"]) + restless - pull
        skipped = skip < tf.sigmoid(logit)
        liked = ~skipped & (like < tf.sigmoid(LIKE_LOGIT + pull))
        turned = 2 * state["mood"] + tf.cast(skipped, tf.int32)
        turn_logit = tf.gather(self.turn_logit, turned) + restless
        fatigue = self._fatigue(direction, state["memory"])
        turn_logit += FATIGUE_WEIGHT * self.dials.long_term_effect * fatigue
        mood = tf.cast(turn < tf.sigmoid(turn_logit), tf.int32)
        fraction = _fraction(skipped, heard)
        unhappy = tf.cast(skipped, tf.float32) + tf.cast(mood, tf.float32)
        left = leave < 0.5 * self.dials.churn * unhappy
        steps = state["steps"] + 1
        reaction = (fraction, tf.cast(liked, tf.float32), tf.cast(skipped, tf.float32))
        played = state | {
            "taste": self._drifted(state["taste"], draws["uniform"][5:]),
            "mood": mood,
            "memory": MEMORY * state["memory"] + (1.0 - MEMORY) * direction,
            "steps": steps,
            "over": left | (steps >= state["length"]),
            "history": _shifted(state["history"], songs),
            "feedback": _shifted(state["feedback"], tf.stack(reaction, 1)),
            "candidates": draws["candidates"],
        }
        return played, fraction, liked, skipped

    def _fatigue(self, direction: Tensor, memory: Tensor) -> Tensor:
        """`Listeners.fatigue` of songs by their ``direction`` [n, 5]: [n]."""
        closeness = tf.reduce_sum(direction * memory, 1)
        size = tf.sqrt(tf.reduce_sum(tf.square(memory), 1))
        return tf.maximum(closeness, 0.0) - TYPICAL_CLOSENESS * size

    def _drifted(self, taste: Tensor, uniform: Tensor) -> Tensor:
        """`Listeners.drift`: taste [n, 5] a step towards a random direction."""
        step = self.dials.taste_drift
        if step == 0.0:
            return taste
        return _unit((1.0 - step) * taste + step * _unit(_normal(uniform)))

    def _reward(self, fraction: Tensor, liked: Tensor, skipped: Tensor) -> Tensor:
        """The formulas of `rlrec.envs.rewards`: [n]."""
        reward = self.reward
        if isinstance(reward, FractionReward):
            return fraction + reward.lam * tf.cast(liked, tf.float32)
        if isinstance(reward, BinaryReward):
            return tf.where(skipped, reward.skip, reward.listen)
        early = fraction < reward.early_fraction
        penalty = tf.where(early, reward.early_skip, reward.skip)
        return tf.where(skipped, penalty, reward.listen)

    # -- many steps --------------------------------------------------------------------
    def play(
        self,
        policy: SongPolicy,
        state: Batch,
        steps: int,
        seed: Any,
    ) -> tuple[Batch, Batch]:
        """``steps`` steps of ``policy`` in one compiled call: the last state, a record.

        ``policy``: see ``SongPolicy``; compiled at its first use. ``seed``: two
        integers. The record: songs, fraction, liked, skipped, reward, ended,
        and live, which is False where a row began a session: [steps, batch] each.
        """
        seeds = tf.constant(seed, tf.int32)
        played: tuple[Batch, Batch] = self._compiled(policy, state, steps, seeds)
        return played

    def _play(
        self,
        policy: SongPolicy,
        state: Batch,
        steps: int,
        seed: Tensor,
    ) -> tuple[Batch, Batch]:
        n = state["over"].shape
        split = tf.random.split(seed, 2 * steps, alg=ALGORITHM)
        seeds = tf.reshape(split, (steps, 2, 2))
        kinds = {"songs": tf.int32, "fraction": tf.float32, "liked": tf.bool}
        kinds |= {"skipped": tf.bool, "reward": tf.float32, "ended": tf.bool}
        kinds |= {"live": tf.bool}
        empty = [
            tf.TensorArray(kind, steps, element_shape=n) for kind in kinds.values()
        ]

        def one(t: Tensor, state: Batch, record: list[Any]) -> tuple[Any, ...]:
            songs = tf.cast(policy(self.observe(state), seeds[t, 0]), tf.int32)
            following, *heard = self.step(state, songs, seeds[t, 1])
            values = (songs, *heard, ~state["over"])
            written = [
                array.write(t, value)
                for array, value in zip(record, values, strict=True)
            ]
            return t + 1, following, written

        _, state, record = tf.while_loop(
            lambda t, *_: t < steps, one, (0, state, empty), maximum_iterations=steps
        )
        stacked = [array.stack() for array in record]
        return state, dict(zip(kinds, stacked, strict=True))


def _normal(draws: Tensor) -> Tensor:
    """Uniform ``draws`` [d, n] turned into standard normal numbers: [n, d]."""
    centred = tf.clip_by_value(2.0 * draws - 1.0, NEAREST - 1.0, 1.0 - NEAREST)
    return 2.0**0.5 * tf.math.erfinv(tf.transpose(centred))


def _unit(vectors: Tensor) -> Tensor:
    """``vectors`` [n, d] scaled to length 1."""
    size = tf.norm(vectors, axis=1, keepdims=True)
    return vectors / tf.maximum(size, 1e-12)


def _fraction(skipped: Tensor, draws: Tensor) -> Tensor:
    """The fraction heard in [0, 1]: [n], as in `rlrec.envs.listeners`."""
    late = 0.1 + 0.4 * (draws - EARLY_SKIP) / (1.0 - EARLY_SKIP)
    skip = tf.where(draws < EARLY_SKIP, 0.1 * draws / EARLY_SKIP, late)
    listen = tf.where(draws < PARTLY_HEARD, 0.5 + 0.5 * draws / PARTLY_HEARD, 1.0)
    return tf.where(skipped, skip, listen)


def _shifted(window: Tensor, newest: Tensor) -> Tensor:
    """A ``window`` [n, history, ...], oldest first, without its oldest entry."""
    return tf.concat([window[:, 1:], newest[:, None]], 1)


def _choose(rows: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    """``there`` [n, ...] in ``rows`` [n] that are True, and ``elsewhere``."""
    wide = tf.reshape(rows, (-1, *[1] * (len(there.shape) - 1)))
    return tf.where(wide, there, elsewhere)
