"""Lesson 14's listener: belief by hand, plays, a session's file, agents, the widget."""

import base64
import warnings
from dataclasses import replace

import lab14_listener as lab14
import lab14_listener_picture as pictures
import numpy as np
import pytest
from lab14_listener import Listener, ListenerLab
from lesson_checks import assert_no_tensorflow, defined
from sklearn.linear_model import Ridge

from rlrec.agents.baselines import PopularityPolicy, RandomPolicy
from rlrec.datasets import FEATURES, load_sessions
from rlrec.envs import ListeningBatch, make_catalogue
from rlrec.errors import ConfigError, DataError

TEN = "like skip listen like like skip listen skip like listen"
KINDS = TEN.split() * 2
LESSON = defined("14", "catalogue = ", "class TasteSoftmax")
CATALOGUE = LESSON["catalogue"]
TRACKS = LESSON["tracks"]
RULE = LESSON["rule"]


@pytest.fixture
def start():
    return Listener(TRACKS, RULE, RULE)


@pytest.fixture
def halfway(start):
    return press(start, KINDS[:8])


def press(listener, kinds):
    for kind in kinds:
        listener = listener.react(kind)
    return listener


def songs_of(listener):
    return [play.song for play in listener.plays]


def kinds_of(listener):
    return [play.kind for play in listener.plays]


class Fixed:
    """An agent with probabilities of its own for three songs."""

    def probabilities(self, observations):
        return np.array([[5, 6, 7]]), np.array([[0.2, 0.7, 0.1]])


# -- the rule that starts from nothing


def test_one_press_by_hand(start):
    """Mean worth (2 + 1) / 3 = 1 after a like: w = z 1 / (z.z + 8)."""
    liked = start.react("like")
    z = CATALOGUE.sound[liked.plays[0].song]
    np.testing.assert_allclose(RULE.belief(liked.seen)[0], z / (z @ z + 8), atol=1e-12)
    # and (0 + 1) / 3 after a skip: w = -z / 3 / (z.z + 8)
    skipped = RULE.belief(start.react("skip").seen)[0]
    np.testing.assert_allclose(skipped, -z / 3 / (z @ z + 8), atol=1e-12)


def test_belief_is_ridge_regression_with_two_imaginary_songs(halfway):
    worth = np.array([["skip", "listen", "like"].index(kind) for kind in KINDS[:8]])
    mean = (worth.sum() + 1) / (len(worth) + 2)
    sound = CATALOGUE.sound[songs_of(halfway)]
    ridge = Ridge(alpha=8.0, fit_intercept=False).fit(sound, worth - mean)
    np.testing.assert_allclose(RULE.belief(halfway.seen)[0], ridge.coef_, atol=1e-12)
    np.testing.assert_allclose(halfway.belief, ridge.coef_ / 0.1, atol=1e-12)


def test_probabilities_are_the_softmax_by_hand(halfway):
    w = RULE.belief(halfway.seen)[0]
    songs, found = RULE.probabilities(halfway.seen)
    scores = []
    for song in halfway.seen["candidates"][0]:
        scores.append(CATALOGUE.sound[song] @ w + 0.06 * CATALOGUE.appeal[song])
    weights = np.exp(np.array(scores) / 0.1)
    np.testing.assert_allclose(found[0], weights / weights.sum(), rtol=1e-9)
    assert RULE.recommend(halfway.seen)[0, 0] == songs[0, found[0].argmax()]


@pytest.mark.parametrize("feature", ["acousticness", "danceability"])
def test_it_learns_a_person_within_ten_songs(feature):
    values = TRACKS.features[:, FEATURES.index(feature)]
    bar = np.median(values)

    def heard_late(agent):
        """Share of the last ten songs that is not skipped."""
        liked = []
        for session in range(12):
            listener = Listener(TRACKS, RULE, agent, session)
            while not listener.over:
                kind = "like" if values[listener.song] > bar else "skip"
                listener = listener.react(kind)
            liked.append(values[songs_of(listener)[10:]] > bar)
        return np.mean(liked)

    assert heard_late(RULE) > 0.7
    assert 0.35 < heard_late(RandomPolicy(2000, np.random.default_rng(0))) < 0.65


# -- twenty plays


def test_twenty_plays(start):
    listener = start
    for place, kind in enumerate(KINDS):
        assert not listener.over
        before = listener
        listener = listener.react(kind)
        assert len(before.plays) == place  # the one before stays as it was
        assert not np.allclose(listener.belief, before.belief)
        play = listener.plays[-1]
        offer = before.offer
        assert (play.kind, play.song) == (kind, offer.songs[offer.pick])
        assert play.propensity == offer.probabilities[offer.pick]
        assert offer.probabilities.sum() == pytest.approx(1)
        assert (np.diff(offer.probabilities) <= 0).all()
    assert listener.over
    assert listener.song == listener.plays[-1].song
    with pytest.raises(ConfigError, match="20 times at most"):
        listener.react("like")
    with pytest.raises(ConfigError, match="press listen, skip, like"):
        start.react("love")
    assert len(set(songs_of(listener))) == 20
    same = press(start, KINDS)
    assert same.plays == listener.plays
    assert songs_of(press(replace(start, session=2), KINDS)) != songs_of(listener)


def test_what_the_agent_sees_is_what_the_environment_shows(start, halfway):
    env = ListeningBatch(1, observe="ids", history=20, n_candidates=10)
    for listener in (start, halfway):
        for name, part in env.single_observation_space.spaces.items():
            single = listener.seen[name][0].astype(part.dtype)
            assert part.contains(single), name
    seen = halfway.seen
    assert seen["position"][0, 0] == 8
    assert seen["history"][0, -8:].tolist() == songs_of(halfway)
    assert (seen["history"][0, :-8] == -1).all()
    np.testing.assert_allclose(seen["feedback"][0, -8:-6], [[1, 1, 0], [0.05, 0, 1]])
    assert not set(seen["candidates"][0]) & set(seen["history"][0])


def test_songs_are_drawn_as_often_as_the_probabilities_say():
    counts = np.zeros(3)
    for session in range(1000):
        listener = Listener(TRACKS, RULE, Fixed(), session)
        counts[listener.offer.pick] += 1
        assert listener.offer.songs.tolist() == [6, 5, 7]
        played = listener.react("like").plays[0]
        assert played.propensity == {6: 0.7, 5: 0.2, 7: 0.1}[played.song]
    error = np.sqrt(0.21 / 1000)
    np.testing.assert_allclose(counts / 1000, [0.7, 0.2, 0.1], atol=4 * error)


def test_an_agent_that_only_ranks_plays_its_first_for_certain():
    appeal = CATALOGUE.appeal
    listener = Listener(TRACKS, RULE, PopularityPolicy(appeal))
    candidates = listener.seen["candidates"][0]
    assert listener.song == candidates[appeal[candidates].argmax()]
    assert listener.react("skip").plays[0].propensity == 1.0


def test_ppo_among_neighbours_acts_on_what_you_did():
    from rlrec.agents.ppo import PPO, PPOConfig

    ppo = PPO(CATALOGUE.sound, PPOConfig(hidden=(8,), action="neighbours"))
    listener = Listener(TRACKS, RULE, ppo)
    assert len(listener.offer.songs) == 4
    assert press(listener, KINDS).over


# -- the file


@pytest.mark.parametrize("plays", [1, 7, 20])
def test_a_session_loaded_stands_where_it_stood(start, tmp_path, plays):
    listener = press(replace(start, session=3), KINDS[:plays])
    listener.log().to_csv(tmp_path / "log.csv", index=False)
    loaded = start.load(tmp_path / "log.csv")
    assert songs_of(loaded) == songs_of(listener)
    assert kinds_of(loaded) == kinds_of(listener)
    assert loaded.song == listener.song
    np.testing.assert_array_equal(loaded.belief, listener.belief)
    if not loaded.over:
        assert press(loaded, ["like"]).song == press(listener, ["like"]).song
    log = load_sessions(tmp_path / "log.csv")
    assert not log.report.rejected
    propensities = [play.propensity for play in listener.plays]
    np.testing.assert_allclose(log.propensity, propensities, rtol=1e-6)


def test_files_that_cannot_be_gone_on_from(start, tmp_path, halfway):
    text = halfway.log().to_csv(index=False)
    song = TRACKS.ids[halfway.plays[2].song]
    bad = {
        "other": text.replace(song, "unheard-of"),
        "bad": text.replace("0.05,0,1", "5,0,1", 1),
        "long": text + "".join(f"you,2,{n},{song},1,0,0,1\n" for n in range(1, 30)),
    }
    for name, words in bad.items():
        (tmp_path / f"{name}.csv").write_text(words)
        with pytest.raises(DataError, match="not a session of 1 to 20"):
            start.load(tmp_path / f"{name}.csv")
    with pytest.raises(DataError, match="no such file"):
        start.load(tmp_path / "nowhere.csv")


# -- the picture


def test_bars_and_names_of_axes_by_hand(halfway):
    features = TRACKS.features.astype(np.float64)
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    opinion = CATALOGUE.sound @ halfway.belief
    rise = np.cov(z.T, opinion, bias=True)[-1, :11]
    found = pictures.rises(CATALOGUE)
    np.testing.assert_allclose(found @ halfway.belief, rise, atol=1e-9)
    assert pictures.strongest(found[:, 0]) == "energy, loudness"
    assert pictures.strongest(-found[:, 1]) == "less danceability, less valence"
    assert pictures.strongest(np.zeros(11)) == "nothing yet"


def test_own_tracks_with_odd_titles_and_a_constant_feature_are_drawn():
    names = "ids titles artists genre genres raw features popularity".split()
    few = {
        name: getattr(TRACKS, name)[:60].copy() for name in names if name != "genres"
    }
    few["titles"] = np.array(["A$AP <b>& $x^2", "x" * 90, ""] * 20)
    few["features"][:, FEATURES.index("mode")] = 1.0
    tracks = replace(TRACKS, genres=TRACKS.genres[:60], **few)
    rule = LESSON["TasteSoftmax"](make_catalogue(tracks))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lab = ListenerLab(tracks, {"rule": rule})
        for kind in KINDS[:4]:
            lab.press(kind)
    assert "<b>&" not in lab.line.value


# -- the widget


@pytest.fixture
def lab():
    popular = PopularityPolicy(CATALOGUE.appeal)
    return ListenerLab(TRACKS, {"belief and softmax": RULE, "only popular": popular})


def test_twenty_buttons_pressed(lab):
    seen = {(lab.line.value, lab.picture.value)}
    for kind in KINDS:
        lab.buttons[kind.capitalize()].click()
        assert not lab.note.value
        seen.add((lab.line.value, lab.picture.value))
    assert len(seen) == 21
    assert kinds_of(lab.listener) == KINDS
    assert lab.buttons["Like"].disabled
    assert "The session is over</b>: 6 heard, 6 skipped, 8 liked" in lab.line.value
    lab.buttons["New session"].click()
    assert not lab.buttons["Like"].disabled
    assert "Song 1 of 20" in lab.line.value
    assert "nothing yet" in lab.line.value


def test_the_agent_can_be_changed(lab):
    lab.press("like")
    lab.controls["agent"].set_state({"index": 1})
    offered = lab.listener.seen["candidates"][0]
    assert lab.result.song == offered[CATALOGUE.appeal[offered].argmax()]
    assert "probability 1.00" in lab.line.value
    lab.press("skip")
    lab.controls["agent"].set_state({"index": 0})
    assert kinds_of(lab.listener) == ["like", "skip"]
    assert "probability 1.00" not in lab.line.value


def test_save_and_load_by_button(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in KINDS[:5]:
        lab.press(kind)
    assert not list(tmp_path.iterdir())
    lab.file.value = "mine.csv"
    lab.buttons["Save"].click()
    assert lab.note.value == "saved 5 plays: mine.csv"
    shown = (lab.line.value, lab.picture.value)
    lab.press("skip")
    before = (tmp_path / "mine.csv").read_bytes()
    for name in ("mine.csv", "mine", ""):
        lab.file.value = name
        lab.buttons["Save"].click()
        assert 'role="alert"' in lab.note.value
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]
    assert (tmp_path / "mine.csv").read_bytes() == before
    lab.file.value = "mine.csv"
    lab.buttons["Load"].click()
    assert lab.note.value == "loaded 5 plays"
    assert (lab.line.value, lab.picture.value) == shown


def test_bundle_has_text_picture_and_live_view(lab):
    bundle = lab._repr_mimebundle_()
    title = "You are the listener (agent belief and softmax): "
    assert bundle["text/plain"].startswith(title)
    assert base64.b64decode(bundle["image/png"]) == lab.picture.value
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_no_tensorflow_is_imported():
    assert_no_tensorflow("import lab14_listener")
    assert lab14.OFFERED == 10
