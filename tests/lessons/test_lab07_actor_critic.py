"""Lesson 07's widget, its known listeners and its pictures."""

import lab07_actor_critic as lab07
import numpy as np
import pytest
from lab07_actor_critic import (
    ONE_HILL,
    TWO_HILLS,
    KnownListeners,
    People,
    baselines,
    climb,
    hill_slope,
    invite,
    listen,
)
from lesson_checks import words, words_of
from matplotlib.figure import Figure

from rlrec.agents import GreedyListening
from rlrec.envs.catalogue import default_catalogue


@pytest.fixture(scope="module")
def people() -> People:
    return invite(30, seed=3)


def test_the_lessons_numbers() -> None:
    assert hill_slope(0.2) == pytest.approx(0.8)
    assert hill_slope(0.9) == pytest.approx(-0.6)
    found = climb(0.2, 0.9, learning_rate=0.1, steps=10)
    assert found.own[-1] == pytest.approx(0.6 - 0.4 * 0.8**10)
    assert found.wrong.tolist()[:3] == pytest.approx([0.2, 0.14, 0.08])
    assert found.wrong[-1] == 0.0  # the dial's end
    songs, action = lab07.five_songs()
    assert (songs @ action).tolist() == pytest.approx([0.6, 1.0, 0.8, 1.2, 0.2])


@pytest.mark.parametrize("shape", [ONE_HILL, TWO_HILLS])
def test_slopes_are_the_derivatives_of_the_hills(shape: str) -> None:
    value, slope = lab07.HILLS[shape]
    at = np.linspace(0, 1, 50)
    step = 1e-6
    difference = (value(at + step) - value(at - step)) / (2 * step)
    np.testing.assert_allclose(slope(at), difference, atol=1e-6)


def test_the_nearer_hill_is_climbed() -> None:
    near = climb(0.2, 0.9, 0.05, 60, TWO_HILLS).own[-1]
    far = climb(0.6, 0.9, 0.05, 60, TWO_HILLS).own[-1]
    assert (near, far) == pytest.approx((0.15, 0.85), abs=0.01)
    assert lab07.two_hills(near) < lab07.two_hills(far)


def test_the_widget_follows_its_controls() -> None:
    lab = lab07.climb_lab()
    assert "own slope <b>0.557</b>" in lab.line.value
    before = lab.picture.value
    assert lab.set(learning_rate=0.5, steps=1).own[-1] == pytest.approx(0.6)
    own = lab.set(learning_rate=1.0, steps=2).own
    assert own == pytest.approx([0.2, 1.0, 0.2])
    assert lab.set(replayed=0.6).wrong[-1] == pytest.approx(0.2)
    assert lab.picture.value != before


def test_a_flat_tangent_is_drawn_too() -> None:
    for action, replayed in ((0.6, 0.6), (0.0, 1.0)):
        lab07.draw_climb(Figure(), climb(action, replayed, 0.1, 1))


def test_the_climbed_critic_flatters_and_the_smaller_one_is_careful() -> None:
    found = lab07.flattery(0.1)
    error = found.other.std() / np.sqrt(len(found.other))
    assert found.one.mean() > 0.08
    assert abs(found.other.mean()) < 4 * error
    assert found.smaller.mean() < 0
    assert (found.smaller <= found.one + 1e-12).all()
    assert found.lost.min() >= 0
    assert lab07.flattery(0.0).one == pytest.approx(0.0)


def test_listeners_come_back_with_their_own_taste(people: People) -> None:
    env = KnownListeners(people, 30)
    observations = env.evening(4)
    assert env.user.tolist() == list(range(30))
    np.testing.assert_array_equal(env.listeners.taste, people.tastes)
    np.testing.assert_array_equal(observations["user_vector"], people.vectors)
    np.testing.assert_array_equal(observations["user"][:, 0], env.user)
    assert set(observations) == set(env.single_observation_space.spaces)
    training = KnownListeners(people, 8)
    training.reset(seed=16)
    assert training.user.tolist() == list(range(16, 24))
    while not training.over.all():
        training.step(np.zeros(8, np.int64))
        if training.episodes.max() > 0:
            break
    began = training.episodes == 1
    assert began.any()
    np.testing.assert_array_equal(training.user[began], (np.arange(24, 32) % 30)[began])
    np.testing.assert_array_equal(
        training.listeners.taste, people.tastes[training.user]
    )


def test_earlier_evenings_tell_something_and_not_all(people: People) -> None:
    guess = people.vectors[:, :5]
    cosine = (guess * people.tastes).sum(axis=1) / np.linalg.norm(guess, axis=1)
    assert 0.3 < cosine.mean() < 0.8
    assert (
        people.vectors[:, 5] == GreedyListening(default_catalogue()).appeal_weight
    ).all()
    np.testing.assert_array_equal(people.vectors, invite(30, seed=3).vectors)


def assert_no_repeats(songs) -> None:
    """No id stands twice in a row of ``songs`` [batch, n]; -1 is no song."""
    ids = np.sort(songs, axis=1)
    assert not ((ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] >= 0)).any()


@pytest.mark.parametrize("name", ["random", "popularity", "greedy", "oracle"])
def test_no_song_comes_twice(people: People, name: str) -> None:
    env = KnownListeners(people, 30)
    policy = baselines(env)[name]
    observations = env.evening(9)
    three = policy.recommend(observations, 3)
    assert_no_repeats(three)
    if name != "random":
        np.testing.assert_array_equal(policy.recommend(observations)[:, 0], three[:, 0])
    while not env.over.any():
        observations, *_ = env.step(policy.recommend(observations)[:, 0])
    assert_no_repeats(env.played)


def test_taste_beats_a_guess_beats_random_and_satiation_costs(
    people: People,
) -> None:
    returns = {}
    for satiation in (0.0, 1.0):
        env = KnownListeners(people, 30, satiation)
        for name, policy in baselines(env).items():
            earned = [listen(env, policy, number) for number in (50, 51, 52)]
            total, discounted = np.moveaxis(earned, 1, 0)  # [evenings, batch]
            returns[name, satiation] = total.mean()
            assert np.abs(discounted).max() <= 20.0
    assert returns["oracle", 0.0] > returns["greedy", 0.0] > returns["random", 0.0]
    assert returns["oracle", 1.0] < returns["oracle", 0.0]


def test_an_agent_answers_in_this_world(people: People) -> None:
    from rlrec.agents.ddpg import DDPG, DDPGConfig

    env = KnownListeners(people, 30)
    config = DDPGConfig(
        hidden=(4,),
        reward_low=-2.0,
        learning_starts=60,
        updates=2,
        capacity=500,
        compiled=False,
    )
    agent = DDPG(lab07.song_vectors(env.catalogue), people.vectors, config, history=5)
    agent.train(KnownListeners(people, 30), 90)
    earned = listen(env, lab07.WithoutRepeats(agent, env), 60)
    assert earned.total.shape == (30,)
    assert_no_repeats(env.played)
    promise = lab07.predicted_return(agent, env, 60)
    low, high = config.value_bounds
    assert promise.shape == (30,)
    assert ((promise > low) & (promise < high)).all()


def test_points_carry_names_and_the_story_its_numbers() -> None:
    figure = Figure()
    ax = figure.subplots()
    curves = {"one": np.arange(10.0).reshape(5, 2), "two": np.ones((5, 2))}
    lab07.training_points(ax, curves, [10, 20], {"one": "red", "two": "blue"}, "return")
    assert words(ax.get_legend().get_texts()) == ["one", "two"]
    lab07.draw_story(figure := Figure())
    shown = words_of(figure)
    assert {"1. song D: 1.2", "2. song B: 1.0", "3. song C: 0.8"} <= set(shown)
    assert "+.8" in " ".join(shown)
    assert "−.6" in " ".join(shown)
