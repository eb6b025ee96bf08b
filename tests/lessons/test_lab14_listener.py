"""Lesson 14's listener: belief by hand, plays, sessions, logs, agents, the widget."""

import base64
import warnings
from dataclasses import replace

import lab14_listener as lab14
import lab14_listener_picture as pictures
import numpy as np
import pytest
from lab14_listener import Listener, ListenerLab, let_answer, make_studio
from lesson_checks import assert_no_tensorflow, words
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from rlrec.agents.baselines import GreedyListening, PopularityPolicy, RandomPolicy
from rlrec.datasets import FEATURES, load_sessions, load_tracks
from rlrec.envs import ListeningBatch
from rlrec.errors import ConfigError, DataError

TEN = "like skip listen like like skip listen skip like listen"
KINDS = TEN.split() * 2


@pytest.fixture(scope="module")
def studio():
    return make_studio()


@pytest.fixture(scope="module")
def halfway(studio):
    return press(Listener(studio), KINDS[:8])


def press(listener, kinds):
    for kind in kinds:
        listener = listener.react(kind)
    return listener


def same(one, other):
    """Two listeners are in the same state: plays, offer, what plays, the belief."""
    assert one.plays == other.plays
    assert (one.user, one.session) == (other.user, other.session)
    assert (one.sampled, one.over) == (other.sampled, other.over)
    for name, values in one.observation.items():
        np.testing.assert_array_equal(values, other.observation[name], err_msg=name)
    np.testing.assert_array_equal(one.now.songs, other.now.songs)
    np.testing.assert_array_equal(one.now.probabilities, other.now.probabilities)
    assert (one.now.pick, one.now.propensity) == (other.now.pick, other.now.propensity)
    np.testing.assert_array_equal(one.view.features, other.view.features)


def songs_of(plays):
    return [play.song for play in plays]


def kinds_of(plays):
    return [play.kind for play in plays]


class Fixed:
    """An agent with probabilities of its own for three songs."""

    def __init__(self, chances=(0.2, 0.7, 0.1), songs=(5, 6, 7)):
        self.answer = np.array([songs]), np.array([chances])

    def recommend(self, observations, k=1):
        return self.answer[0][:, :k]

    def probabilities(self, observations):
        return self.answer


# -- the agent that starts from nothing


def test_belief_is_ridge_regression_with_two_imaginary_songs(studio, halfway):
    worth = np.array([["skip", "listen", "like"].index(kind) for kind in KINDS[:8]])
    mean = (worth.sum() + 1) / (len(worth) + 2)
    sound = studio.catalogue.sound[songs_of(halfway.plays)]
    ridge = Ridge(alpha=8.0, fit_intercept=False).fit(sound, worth - mean)
    belief = studio.agent.belief(halfway.observation)[0]
    np.testing.assert_allclose(belief, ridge.coef_, atol=1e-12)


def test_belief_of_heard_and_skipped_is_greedy_listening_but_for_the_mean(studio):
    """With as many songs heard as skipped both means are one half."""
    listener = press(Listener(studio), ["listen", "skip", "skip", "listen"])
    known = GreedyListening(studio.catalogue).belief(listener.observation)
    belief = studio.agent.belief(listener.observation)
    np.testing.assert_allclose(belief, known, atol=1e-12)
    assert np.abs(known).max() > 0.01


def test_chances_are_the_softmax_by_hand(studio, halfway):
    seen = halfway.observation
    agent = studio.agent
    catalogue = studio.catalogue
    w = agent.belief(seen)[0]
    last = catalogue.direction[halfway.plays[-1].song]
    songs, found = agent.probabilities(seen)
    scores = []
    for song in seen["candidates"][0]:
        near = max(0.0, float(catalogue.direction[song] @ last))
        score = catalogue.sound[song] @ w + 0.06 * catalogue.appeal[song] - 0.1 * near
        scores.append(score / 0.1)
    weights = np.exp(scores)
    np.testing.assert_allclose(found[0], weights / weights.sum(), rtol=1e-9)
    np.testing.assert_array_equal(songs, seen["candidates"])
    assert agent.recommend(seen)[0, 0] == songs[0, found[0].argmax()]


@pytest.mark.parametrize("feature", ["acousticness", "danceability"])
def test_it_learns_a_person_within_ten_songs(studio, feature):
    values = studio.tracks.features[:, FEATURES.index(feature)]
    bar = np.median(values)

    def answer(song):
        return "like" if values[song] > bar else "skip"

    def heard_late(agent):
        """Share of the last ten songs that is not skipped."""
        liked = []
        for seed in range(12):
            listener = Listener(replace(studio, agent=agent, seed=seed))
            songs = songs_of(let_answer(listener, answer).plays)
            liked.append(values[songs[10:]] > bar)
        return np.mean(liked)

    assert heard_late(studio.agent) > 0.7
    assert 0.35 < heard_late(RandomPolicy(2000, np.random.default_rng(0))) < 0.65


# -- twenty plays


def test_twenty_plays(studio):
    listener = Listener(studio)
    for place, kind in enumerate(KINDS):
        assert not listener.over
        before = listener
        listener = listener.react(kind)
        assert len(before.plays) == place  # the one before stays as it was
        assert len(listener.plays) == place + 1
        assert not np.allclose(listener.view.opinion, before.view.opinion)
        play = listener.plays[-1]
        offer = before.now
        assert (play.kind, play.position) == (kind, place + 1)
        assert play.song == offer.songs[offer.pick]
        stated = offer.probabilities[offer.pick]
        assert play.propensity == pytest.approx(stated, rel=1e-5)
        assert offer.probabilities.sum() == pytest.approx(1)
        assert (np.diff(offer.probabilities) <= 0).all()
    assert listener.over
    with pytest.raises(ConfigError, match="had its 20 songs"):
        listener.react("like")
    assert len(set(songs_of(listener.plays))) == 20


def test_observation_is_that_of_the_environment(studio, halfway):
    env = ListeningBatch(1, observe="ids", history=20, n_candidates=10)
    space = env.single_observation_space
    for listener in (Listener(studio), halfway):
        assert set(listener.observation) == set(space.spaces)
        for name, part in space.spaces.items():
            single = listener.observation[name][0].astype(part.dtype)
            assert part.contains(single), name
    seen = halfway.observation
    assert seen["position"][0, 0] == 8
    assert seen["history"][0, -8:].tolist() == songs_of(halfway.plays)
    assert (seen["history"][0, :-8] == -1).all()
    np.testing.assert_allclose(seen["feedback"][0, -8:-6], [[1, 1, 0], [0.05, 0, 1]])
    assert not set(seen["candidates"][0]) & set(seen["history"][0])


def test_same_presses_same_songs_another_seed_other_songs(studio, halfway):
    same(press(Listener(studio), KINDS[:8]), halfway)
    other = press(Listener(replace(studio, seed=1)), KINDS[:8])
    assert songs_of(other.plays) != songs_of(halfway.plays)


def test_songs_are_drawn_as_often_as_the_chances_say(studio):
    agent = Fixed()
    counts = np.zeros(3)
    for seed in range(1000):
        offer = Listener(replace(studio, agent=agent, seed=seed)).now
        counts[offer.pick] += 1
        assert offer.songs.tolist() == [6, 5, 7]
        assert offer.propensity == (0.7, 0.2, 0.1)[offer.pick]
    error = np.sqrt(0.21 / 1000)
    np.testing.assert_allclose(counts / 1000, [0.7, 0.2, 0.1], atol=4 * error)


def test_most_probable_song_is_played_for_certain(studio):
    listener = Listener(studio).choosing(sampled=False)
    assert listener.now.pick == 0
    assert listener.now.propensity == 1.0
    assert listener.react("skip").plays[0].propensity == 1.0
    assert listener.choosing(sampled=False) is listener


def test_an_unknown_button(studio):
    with pytest.raises(ConfigError, match="press one of listen, skip, like"):
        Listener(studio).react("love")


# -- sessions


def test_a_new_session_remembers_or_forgets(studio, halfway):
    kept = halfway.new_session()
    forgotten = halfway.new_session(remember=False)
    assert (kept.user, kept.session, kept.heard) == ("you-1", 2, ())
    assert (forgotten.user, forgotten.session, forgotten.known) == ("you-2", 2, ())
    belief = studio.agent.belief
    np.testing.assert_array_equal(belief(kept.observation), belief(halfway.observation))
    assert not forgotten.view.opinion.any()
    assert kept.observation["position"][0, 0] == 8
    assert kept.react("like").plays[-1][:3] == ("you-1", 2, 1)
    assert forgotten.react("like").plays[-1][:3] == ("you-2", 2, 1)
    assert forgotten.react("like").new_session(remember=False).user == "you-3"


def test_a_session_without_a_song_is_none(studio, halfway):
    start = Listener(studio)
    assert start.new_session() is start
    assert start.new_session(remember=False) is start
    kept = halfway.new_session()
    assert kept.new_session() is kept
    # second thoughts: it may still be forgotten
    assert kept.new_session(remember=False).user == "you-2"


def test_memory_grows_beyond_one_session(studio):
    listener = let_answer(Listener(studio), lambda song: "listen").new_session()
    listener = let_answer(listener, lambda song: "skip", 5)
    assert listener.observation["history"].shape == (1, 25)
    assert listener.observation["position"][0, 0] == 20
    assert len(set(songs_of(listener.plays))) == 25


# -- the log


@pytest.mark.parametrize("plays", [1, 7, 20])
@pytest.mark.parametrize("sampled", [True, False])
def test_a_log_loaded_stands_where_it_stood(studio, tmp_path, plays, sampled):
    listener = press(Listener(studio, sampled=sampled), KINDS[:plays])
    path = listener.save(tmp_path / "log.csv")
    loaded = Listener.load(studio, path)
    same(loaded, listener)
    assert [file.name for file in tmp_path.iterdir()] == ["log.csv"]
    if not listener.over:
        same(press(loaded, ["like", "skip"]), press(listener, ["like", "skip"]))


def test_a_log_of_several_sessions_and_people(studio, tmp_path, halfway):
    listener = press(halfway.new_session(), ["skip", "like"])
    listener = press(listener.new_session(remember=False), ["listen", "skip", "like"])
    listener = press(listener.new_session(), ["like"])
    same(Listener.load(studio, listener.save(tmp_path / "log.csv")), listener)
    first = Listener.load(studio, tmp_path / "log.csv", user="you-1")
    assert (first.user, first.session, len(first.plays)) == ("you-1", 2, 10)


def test_the_log_is_one_of_sessions(studio, tmp_path, halfway):
    log = load_sessions(halfway.save(tmp_path / "log.csv"))
    assert len(log) == 8
    assert log.user_ids.tolist() == ["you-1"]
    assert not log.report.rejected
    kinds = np.array(KINDS[:8])
    np.testing.assert_array_equal(log.liked, kinds == "like")
    np.testing.assert_array_equal(log.skipped, kinds == "skip")
    propensities = [play.propensity for play in halfway.plays]
    np.testing.assert_allclose(log.propensity, propensities, rtol=1e-6)
    ids = studio.tracks.ids[songs_of(halfway.plays)]
    np.testing.assert_array_equal(log.track_ids[log.tracks], ids)


def test_saving_again_goes_on_and_nothing_else_is_overwritten(
    studio, tmp_path, halfway
):
    path = halfway.save(tmp_path / "log.csv")
    longer = halfway.react("like")
    assert longer.save(str(path)) == path
    before = path.read_bytes()
    other = press(Listener(replace(studio, seed=3)), ["skip"])
    (tmp_path / "tracks.csv").write_text("mine\n")
    (tmp_path / "folder.csv").mkdir()
    for name in ("log.csv", "tracks.csv", "folder.csv"):
        with pytest.raises(DataError, match="choose another name"):
            other.save(tmp_path / name)
    with pytest.raises(DataError, match="choose another name"):
        halfway.save(path)  # would lose the last song
    assert path.read_bytes() == before
    assert (tmp_path / "tracks.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("log", "ends with .csv"),
        ("", "ends with .csv"),
        ("no/log.csv", "no such folder"),
    ],
)
def test_names_that_cannot_be_written(tmp_path, monkeypatch, halfway, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        halfway.save(name)
    assert not list(tmp_path.iterdir())


def test_nothing_played_nothing_written(studio, tmp_path):
    with pytest.raises(DataError, match="nothing was played yet"):
        Listener(studio).save(tmp_path / "log.csv")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses(tmp_path, monkeypatch, halfway):
    def full(path, sessions):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lab14_listener_state.write_sessions", full)
    with pytest.raises(DataError, match="cannot be written \\(No space left"):
        halfway.save(tmp_path / "log.csv")


def test_logs_that_cannot_be_gone_on_from(studio, tmp_path, halfway):
    path = halfway.save(tmp_path / "log.csv")
    text = path.read_text()
    song = studio.tracks.ids[halfway.plays[2].song]
    (tmp_path / "other.csv").write_text(text.replace(song, "unheard-of"))
    (tmp_path / "bad.csv").write_text(text.replace("0.05,0,1", "5,0,1", 1))
    (tmp_path / "empty.csv").write_text(text.splitlines()[0] + "\n")
    for name, message in (
        ("other", "unheard-of"),
        ("bad", "1 rows cannot be used; row 3"),
        ("empty", "no plays|no "),
    ):
        with pytest.raises(DataError, match=message):
            Listener.load(studio, tmp_path / f"{name}.csv")
    with pytest.raises(DataError, match="no such file"):
        Listener.load(studio, tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="no plays of 'me'"):
        Listener.load(studio, path, user="me")


def test_logs_of_other_agents_do_as_well(studio):
    listener = Listener.load(studio, "generated", user="u001")
    log = load_sessions("generated")
    assert len(listener.plays) == (log.user_ids[log.users] == "u001").sum()
    assert np.abs(studio.agent.belief(listener.observation)).max() > 0.01
    candidates = listener.observation["candidates"][0]
    assert not set(candidates) & set(songs_of(listener.plays))


# -- other agents, tracks and maps


def test_an_agent_that_only_ranks(studio, tmp_path):
    appeal = studio.catalogue.appeal
    listener = Listener(replace(studio, agent=PopularityPolicy(appeal)))
    candidates = listener.observation["candidates"][0]
    assert listener.now.songs[0] == candidates[appeal[candidates].argmax()]
    assert listener.now.probabilities is None
    played = press(listener, ["skip", "like"])
    assert [play.propensity for play in played.plays] == [None, None]
    assert not played.view.own
    text = pictures.view_text(played.view)
    assert "named first by an agent that gives no probabilities" in text
    loaded = Listener.load(listener.studio, played.save(tmp_path / "log.csv"))
    assert loaded.plays == played.plays


def test_an_agent_that_can_draw_gets_luck(studio):
    class Drawing:
        def recommend(self, observations, k=1, *, rng=None):
            if rng is None:
                return np.arange(k)[None]
            return rng.permutation(2000)[None, :k]

    listener = Listener(replace(studio, agent=Drawing()))
    songs = listener.now.songs.tolist()
    assert songs == Listener(listener.studio).now.songs.tolist()
    assert songs != list(range(10))
    assert listener.choosing(sampled=False).now.songs.tolist() == list(range(10))


@pytest.mark.parametrize(
    "agent",
    [
        Fixed(songs=(5, 6, 2000)),
        Fixed(songs=(-1, 6, 7)),
        Fixed(songs=(0.5, 6, 7)),
        Fixed(chances=(0.2, 0.7, 0.3)),
        Fixed(chances=(np.nan, 0.7, 0.3)),
        Fixed(chances=(0.3, 0.7)),
    ],
)
def test_answers_without_sense_are_refused(studio, agent):
    with pytest.raises(ConfigError, match=r"song ids|do not sum to 1"):
        _ = Listener(replace(studio, agent=agent)).now


def test_ppo_acts_on_what_you_did():
    from rlrec.agents.ppo import PPO, PPOConfig

    sound = make_studio().catalogue.sound

    def ppo(songs=sound, **settings):
        return PPO(songs, PPOConfig(hidden=(8,), **settings))

    lab = ListenerLab(agent=ppo())
    start = lab.result.opinion
    view = press(lab.listener, ["like", "like", "skip"]).view
    assert view.own
    assert not np.allclose(view.opinion, start)
    few, found = lab.listener.studio.agent.probabilities(lab.listener.observation)
    # the same up to one constant
    logs = np.log(found[0]) - lab.result.opinion[few[0]]
    np.testing.assert_allclose(logs, logs[0], atol=1e-4)
    near = Listener(make_studio(agent=ppo(action="neighbours")))
    assert len(near.now.songs) == 4
    assert not near.view.own
    point = Listener(make_studio(agent=ppo(action="point"))).react("like")
    assert point.now.probabilities is None
    assert point.plays[0].song not in point.now.songs
    with pytest.raises(ConfigError, match="knows 50 songs, there are 2000"):
        make_studio(agent=ppo(sound[:50]))


def test_no_tensorflow_is_imported():
    assert_no_tensorflow("from lab14_listener import ListenerLab; ListenerLab()")


COLUMNS = "ids titles artists genre genres raw features popularity".split()


def test_another_map(studio):
    rng = np.random.default_rng(0)
    latents = rng.random((2000, 4)) * (1, 3, 2, 0)  # the last says nothing
    other = make_studio(sound=latents)
    np.testing.assert_allclose(other.catalogue.sound.std(axis=0), [1, 1, 1, 0])
    assert other.plane == (0, 1)
    assert np.isfinite(press(Listener(other), KINDS[:3]).view.features).all()
    for wrong in (
        latents[:5],
        latents[:, :1],
        latents[:, 0],
        np.full((2000, 2), np.nan),
    ):
        with pytest.raises(ConfigError, match="sound is"):
            make_studio(sound=wrong)
    with pytest.raises(ConfigError, match="offered is 1"):
        make_studio(offered=1)


def some_tracks(n, **changes):
    tracks = load_tracks("generated")
    for name in COLUMNS:
        changes.setdefault(name, getattr(tracks, name)[:n])
    return replace(tracks, **changes)


def test_few_tracks_come_again_but_not_the_last_twenty():
    listener = Listener(make_studio(some_tracks(35)))
    for _ in range(3):
        listener = let_answer(listener, lambda song: "listen").new_session()
    songs = songs_of(listener.plays)
    assert len(songs) == 60
    for i, song in enumerate(songs):
        assert song not in songs[max(i - 20, 0) : i]
    with pytest.raises(ConfigError, match="needs more"):
        make_studio(some_tracks(25))


# -- the picture


def test_opinion_bars_and_arrow_by_hand(studio, halfway):
    w = studio.agent.belief(halfway.observation)[0] / 0.1
    # the generated map's first two dimensions
    np.testing.assert_allclose(halfway.view.slope, w[:2], atol=1e-9)
    features = studio.tracks.features
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    opinion = studio.catalogue.sound @ w
    rise = np.cov(z.T, opinion, bias=True)[-1, :11]
    np.testing.assert_allclose(halfway.view.features, rise, atol=1e-4)
    assert studio.sounds_like == ("energy, loudness", "danceability, valence")


@pytest.mark.parametrize("seed", range(5))
def test_numbers_on_the_map_stand_apart(studio, seed):
    listener = press(Listener(replace(studio, seed=seed)), KINDS[:10])
    spots = np.array(list(pictures._number_spots(listener.view).values()))
    assert len(spots) == 10
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 99 * np.eye(10)
    assert gaps.min() > 9  # pixels
    reach = np.abs(spots - pictures.MAP_CENTRE)
    assert (reach < (pictures.MAP_WIDTH / 2, pictures.MAP_HEIGHT / 2)).all()


def test_of_many_songs_on_offer_the_one_that_plays_is_listed():
    offer = lab14.Listener(make_studio(offered=40)).now
    assert pictures._shown(offer._replace(pick=3)) == list(range(10))
    assert pictures._shown(offer._replace(pick=33)) == [*range(9), 33]


def test_titles_of_all_kinds_are_drawn():
    kinds = ["A$AP <b>& $x^2", "\u65b0\u3057\u3044\u6b4c", "x" * 90, ""]
    lab = ListenerLab(some_tracks(60, titles=np.array(kinds * 15)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in KINDS[:4]:
            lab.press(kind)
    assert "<b>&" not in lab.line.value


# -- the widget


@pytest.fixture
def lab():
    return ListenerLab()


def test_twenty_buttons_pressed(lab):
    seen = {(lab.line.value, lab.picture.value)}
    for kind in KINDS:
        lab.buttons[kind].click()
        assert not lab.note.value
        seen.add((lab.line.value, lab.picture.value))
    assert len(seen) == 21
    assert kinds_of(lab.listener.plays) == KINDS
    for button in lab.buttons.values():
        assert button.disabled
    assert "The session is over</b>: 6 heard, 6 skipped, 8 liked" in lab.line.value
    lab.again["remember"].click()
    assert (lab.listener.user, lab.listener.session) == ("you-1", 2)
    for button in lab.buttons.values():
        assert not button.disabled
    lab.press("like")
    lab.again["forget"].click()
    assert lab.listener.user == "you-2"
    assert "nothing yet" in lab.line.value


def test_the_control_chooses_how_songs_are_chosen(lab):
    before = lab.line.value
    lab.controls["play"].set_state({"index": 1})
    assert not lab.listener.sampled
    assert "the most probable" in lab.line.value != before
    assert lab.press("listen").listener.plays[0].propensity == 1.0
    lab.controls["play"].set_state({"index": 0})
    assert lab.listener.sampled


def test_the_widget_says_which_agent_plays_and_changes_agents():
    appeal = make_studio().catalogue.appeal
    lab = ListenerLab(agents={"only popular": PopularityPolicy(appeal)})
    assert "Agent: <b>belief and softmax</b>" in lab.line.value
    lab.press("like")
    lab.controls["agent"].set_state({"index": 1})
    assert "Agent: <b>only popular</b>" in lab.line.value
    offered = lab.listener.observation["candidates"][0]
    assert lab.result.song == offered[appeal[offered].argmax()]
    lab.press("skip")
    assert "Agent: <b>only popular</b>" in lab.line.value
    lab.controls["agent"].set_state({"index": 0})
    assert kinds_of(lab.listener.plays) == ["like", "skip"]
    assert "Agent: <b>belief and softmax</b>" in lab.line.value


def test_an_agent_of_other_songs_is_refused():
    agent = PopularityPolicy(np.zeros(50))
    agent.songs = np.zeros((50, 2))
    with pytest.raises(ConfigError, match="knows 50 songs, there are 2000"):
        ListenerLab(agents={"other": agent})


def test_save_and_load_by_button(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab.controls["play"].set_state({"index": 1})
    for kind in KINDS[:5]:
        lab.press(kind)
    assert not list(tmp_path.iterdir())
    lab.file.value = "mine.csv"
    lab.keep["save"].click()
    assert lab.note.value == "saved 5 plays in mine.csv"
    stood = lab.listener
    shown = (lab.line.value, lab.picture.value)
    lab.press("skip")
    lab.controls["play"].set_state({"index": 0})
    lab.keep["load"].click()
    assert lab.note.value == "loaded 5 plays"
    same(lab.listener, stood)
    assert lab.values["play"] == lab14.BEST
    assert (lab.line.value, lab.picture.value) == shown
    again = ListenerLab(log="mine.csv")
    same(again.listener, stood)
    assert again.picture.value == shown[1]


def test_what_goes_wrong_is_shown_below_and_goes_away(lab, monkeypatch):
    monkeypatch.delenv("RLREC_STRICT_WIDGETS", raising=False)
    lab.keep["save"].click()
    assert 'role="alert"' in lab.note.value
    assert "DataError: &#x27;&#x27;: name a file that ends with .csv" in lab.note.value
    lab.buttons["like"].click()
    assert not lab.note.value
    monkeypatch.setenv("RLREC_STRICT_WIDGETS", "1")
    with pytest.raises(DataError):
        lab.attempt(lambda: lab.load("nowhere.csv"))
    assert "nowhere.csv: no such file" in lab.note.value


def test_a_press_that_fails_changes_nothing(lab, monkeypatch):
    line = lab.line.value
    listener = lab.listener
    monkeypatch.setattr(lab.listener.studio.agent, "probabilities", lambda seen: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lab.press("like")
    assert lab.listener is listener
    assert lab.line.value == line


def test_bundle_has_text_picture_and_live_view(lab):
    bundle = lab._repr_mimebundle_()
    title = "You are the listener (play a song drawn by its probability): "
    assert bundle["text/plain"].startswith(title)
    assert base64.b64decode(bundle["image/png"]) == lab.picture.value
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_lessons_picture_is_drawn():
    draw, size = pictures.FIGURES["14_you_are_the_listener.png"]
    figure = Figure(figsize=size)
    draw(figure)
    (ax,) = figure.axes
    assert "Faded Promise" in " ".join(words(ax.texts))
