"""Lesson 01: returns and beliefs by hand, the widget, the sessions, the exercise."""

import lab01_deciding as deciding
import numpy as np
import pytest
from lab01_deciding import Record, Scored, gain_over_greedy, record, returns_to_go
from matplotlib.figure import Figure

from rlrec.agents import GreedyListening, ListeningOracle, RandomPolicy
from rlrec.envs import ListeningBatch
from rlrec.errors import ConfigError
from rlrec.evaluation import simulate


def test_returns_by_hand() -> None:
    assert returns_to_go([3, -1, 5], 0.9) == pytest.approx([6.15, 3.5, 5.0])
    assert returns_to_go([3, -1, 5], 0.0) == pytest.approx([3, -1, 5])
    assert returns_to_go([3, -1, 5], 1.0) == pytest.approx([7, 4, 5])


def test_the_past_does_not_change_a_return() -> None:
    assert returns_to_go([100, -1, 5], 0.9)[1:] == pytest.approx([3.5, 5.0])


@pytest.mark.parametrize(
    ("likelihood", "loves"),
    [([0.9, 0.3], 0.75), ([0.1, 0.7], 0.125), ([0.6, 0.6], 0.5)],
)
def test_belief_by_hand(likelihood, loves) -> None:
    assert deciding.update_belief([0.5, 0.5], likelihood) == pytest.approx(
        [loves, 1 - loves]
    )


def test_evening_by_hand() -> None:
    # odds 1, x3, x3, /7: beliefs 1/2, 3/4, 9/10, 9/16
    # returns 1 + .5 (1 + .5 (-1)) = 1.25
    result = deciding.returns_and_beliefs(0.5, 0.5, 0.9, 0.3, a=True, b=True, c=False)
    assert result.belief == pytest.approx([0.5, 0.75, 0.9, 0.5625])
    assert result.rewards.tolist() == [1, 1, -1]
    assert result.returns == pytest.approx([1.25, 0.5, -1])


def test_lab_follows_its_controls() -> None:
    lab = deciding.returns_and_beliefs_lab()
    # odds 3 * 3 / 7 * 3 * 3 = 81/7; return 1 + .9 - .81 + .729 + .6561
    assert "<b>0.920</b>" in lab.line.value
    assert "<b>2.48</b>" in lab.line.value
    before = lab.picture.value
    moved = lab.set(song_1=False, song_3=True)
    assert moved.belief[-1] == pytest.approx(81 / 88)  # the order does not matter here
    assert "<b>2.10</b>" in lab.line.value  # but in the return it does
    assert lab.picture.value != before
    assert lab.set(discount=0.0).returns == pytest.approx([-1, 1, 1, 1, 1])
    assert lab.set(finish_if_loves=0.3, prior=0.2).belief == pytest.approx([0.2] * 6)


@pytest.fixture(scope="module")
def env() -> ListeningBatch:
    return ListeningBatch(30, observe="ids")


def test_record_agrees_with_simulate(env) -> None:
    seen = record(env, GreedyListening(env.catalogue), seed=5)
    heard = (~seen.skipped & seen.alive).sum(axis=0)
    assert heard == pytest.approx(simulate(env, GreedyListening(env.catalogue), seed=5))
    assert (seen.alive.sum(axis=0) >= 10).all()
    assert (seen.fraction[seen.skipped & seen.alive] <= 0.5).all()


def test_record_notes_the_mood_in_which_a_song_was_met(env) -> None:
    policy = RandomPolicy(len(env.catalogue), np.random.default_rng(0))
    seen = record(env, policy, seed=5)
    env.reset(seed=5)
    assert (seen.skipping_mood[0] == (env.listeners.mood == 1)).all()
    assert seen.skipped[seen.alive & ~seen.skipping_mood].mean() < 0.25
    assert seen.skipped[seen.alive & seen.skipping_mood].mean() > 0.75
    assert (seen.fatigue[0] == 0).all()  # nothing was played yet


def hand_made(turns: list[int], fatigue: list[float]) -> Record:
    """15 songs; listener i skips 3 in the skipping mood, from song ``turns[i]`` on."""
    mood = np.zeros((15, len(turns)), bool)
    for row, turn in enumerate(turns):
        mood[turn : turn + 3, row] = True
    tired = np.tile(fatigue, (15, 1))
    return Record(
        np.zeros(mood.shape, int),
        np.ones(mood.shape),
        ~mood,
        mood,
        mood,
        tired,
        np.ones(mood.shape, bool),
    )


def test_telling_row_wants_calm_then_fatigue() -> None:
    # too early a turn, no fatigue, too late a turn, all as it should be
    assert deciding.telling_row(hand_made([2, 6, 12, 6], [0.5, 0.0, 0.5, 0.5])) == 3


def test_score_of_pull_alone_is_greedy(env) -> None:
    scored = Scored(env.catalogue, lambda pull, directions, played: pull)
    greedy = GreedyListening(env.catalogue)
    observation, _ = env.reset(seed=1)
    for _ in range(3):
        songs = scored.recommend(observation, k=3)
        assert (songs == greedy.recommend(observation, k=3)).all()
        observation, *_ = env.step(env.actions_for(songs))


def test_score_gets_what_was_played_oldest_first(env) -> None:
    calls = []

    def score(pull, directions, played):
        calls.append(played)
        return pull

    scored = Scored(env.catalogue, score)
    observation, _ = env.reset(seed=1)
    listened = []
    for _ in range(2):
        songs = scored.recommend(observation)
        listened.append(songs[0, 0])
        observation, *_ = env.step(env.actions_for(songs))
    scored.recommend(observation)
    assert calls[0].shape == (0, 5)
    assert calls[60] == pytest.approx(env.catalogue.direction[listened])


def test_score_of_a_wrong_shape_is_refused(env) -> None:
    observation, _ = env.reset(seed=1)
    wrong = Scored(env.catalogue, lambda pull, directions, played: directions)
    message = r"shape \(10, 5\); one number a candidate is \(10,\)"
    with pytest.raises(ConfigError, match=message):
        wrong.recommend(observation)


def test_gain_is_open_zero_positive_or_negative() -> None:
    def gain(weight, seeds):
        def score(pull, directions, played):
            last = played[-1] if len(played) else np.zeros(5)
            return pull + weight * np.maximum(directions @ last, 0)

        return gain_over_greedy(score, seeds=seeds)

    assert gain_over_greedy(lambda pull, directions, played: None) is None
    assert (gain(0, (1,)) == 0).all()
    assert gain(-2, (1, 1001)).mean() > 0.3
    assert gain(2, (1, 1001)).mean() < -1.0


def test_satiation_needs_the_dial() -> None:
    late = {}
    for effect in (0.0, 1.0):
        env = ListeningBatch(200, observe="ids", long_term_effect=effect)
        policy = ListeningOracle(env, np.random.default_rng(0), lookahead=0)
        late[effect] = record(env, policy, seed=0).skipping_mood[9].mean()
    assert late[1.0] > late[0.0] + 0.15


@pytest.mark.parametrize("name", list(deciding.FIGURES))
def test_figures_keep_inside_their_paper(name) -> None:
    draw, size = deciding.FIGURES[name]
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    figure.draw_without_rendering()
    for ax in figure.axes:
        for text in ax.texts:
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text.get_text()
            assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, text.get_text()
