"""The picture of lesson 14's ``ListenerLab``: belief, map of sound, session, offer.

Text takes most of the time in Matplotlib. What no press changes is therefore drawn
once, as an array of pixels, and a press draws on top of it. The sheet's units are
pixels, y downwards. The dots of the map are painted as pixels too.
"""

from __future__ import annotations

import html
from collections import Counter
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from drawing import CENTRED
from lab14_listener_state import Listener, Offer, View, let_answer, loud_person
from lab14_listener_studio import Studio, make_studio
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

from rlrec.datasets import FEATURES
from rlrec.datasets.reading.reports import shorten
from rlrec.envs.listeners import LONGEST
from rlrec.types import Floats
from rlrec.viz.style import PALETTE, Style, theme

Pixels = NDArray[np.uint8]

SIZE = (10.4, 5.3)  # inches, at 100 dots an inch
# the sheet
WIDTH = 1040
HEIGHT = 530
RADAR = np.array([151.0, 146.0])
RADIUS = 72.0
# belief: x of the line of 0, y of the first row, height of a row, half its width
BELIEF = 196.0
BELIEF_TOP = 318.0
BELIEF_ROW = 16.5
BELIEF_WIDTH = 82.0
MAP_LEFT = 322
MAP_TOP = 44
MAP_WIDTH = 370
MAP_HEIGHT = 370
MAP_CENTRE = np.array([MAP_LEFT + MAP_WIDTH / 2, MAP_TOP + MAP_HEIGHT / 2])
# y of the session's boxes, y of the key to the marks, width of a box
STRIP = 466.0
KEY = 508.0
BOX = 18.5
# songs on offer
OFFER = 722.0
OFFER_TOP = 56.0
OFFER_ROW = 46.5
OFFER_WIDTH = 270.0
SHOWN = 10
DOT = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])  # pixels of a song
MANY = 5_000  # from here on a song is one pixel
# points
TINY = 7.5
SMALL = 8.0
HEADING: Style = {"va": "center", "fontsize": 9.5, "weight": "bold"}

ORANGE, GREEN, PINK = PALETTE[1:4]
RED = PALETTE[5]
# dots that the agent expects to be skipped, and heard
PALE = np.array([216, 220, 228])
DARK = np.array([41, 92, 140])
MARKS = {
    "listen": ("o", GREEN, "heard"),
    "skip": ("X", RED, "skipped"),
    "like": ("*", PINK, "liked"),
}


def draw_view(figure: Figure, view: View) -> None:
    """The song that plays, the belief, the map, the session, and the songs on offer."""
    ax = _sheet(figure)
    picture = _background(view.listener.studio).copy()
    _paint_dots(picture, view)
    spots = _number_spots(view)
    for spot in spots.values():
        x, y = np.round(spot).astype(int)
        picture[y - 6 : y + 7, x - 7 : x + 8] = 255  # room for a number
    sheet = (0, WIDTH, HEIGHT, 0)
    ax.imshow(picture, extent=sheet, aspect="auto", interpolation="nearest")
    _song(ax, view)
    _belief(ax, view)
    _session(ax, view)
    _plays(ax, view)
    if view.now is None:
        _list_session(ax, view)
    else:
        _rings(ax, _on_map(view.listener.studio, view.now.songs), spots, view.now.pick)
        _list_offer(ax, view, view.now, list(spots))
    _arrow(ax, view.slope)
    ax.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))


def _sheet(figure: Figure) -> Axes:
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    ax.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    return ax


# -- what stays
def _background(studio: Studio) -> Pixels:
    """All that no press changes, drawn once for a studio: [rows, columns, 3]."""
    if "background" not in studio.drawn:
        with mpl.rc_context(theme()):
            figure = Figure(figsize=SIZE, dpi=100)
            canvas: Any = FigureCanvasAgg(figure)
            ax = _sheet(figure)
            _draw_frame(ax, studio)
            _draw_key(ax)
            canvas.draw()
        studio.drawn["background"] = np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
    return studio.drawn["background"]


def _draw_frame(ax: Axes, studio: Studio) -> None:
    """Headings, the radar with the average track, and the names of axes and rows."""
    ax.text(12, 24, "this song (dashed: the average)", **HEADING)
    ax.text(MAP_LEFT, 24, "the map of sound (dark: expected to please)", **HEADING)
    rim = _rim()
    for radius in (0.5, 1.0):
        ax.fill(*(RADAR + radius * RADIUS * rim).T, fc="none", ec="0.85", lw=0.8)
    usual = studio.tracks.features.mean(axis=0)[:, None]
    ax.fill(*(RADAR + RADIUS * usual * rim).T, fc="none", ec="0.5", lw=1, ls="--")
    beside: Style = {"va": "center", "fontsize": TINY}
    for row, (name, (x, y)) in enumerate(zip(FEATURES, rim, strict=True)):
        side = "left" if x > 0 else "right"
        if abs(x) < 0.1:
            side = "center"
        place = RADAR + RADIUS * np.array([1.08 * x, 1.12 * y])
        ax.text(place[0], place[1], name, ha=side, **beside)
        y = BELIEF_TOP + BELIEF_ROW * row
        ax.text(BELIEF - BELIEF_WIDTH - 8, y, name, ha="right", **beside)
    ends = [BELIEF_TOP - 10, BELIEF_TOP + 10.6 * BELIEF_ROW]
    ax.plot([BELIEF, BELIEF], ends, color="black", lw=0.8)
    ax.text(BELIEF, BELIEF_TOP + 11.5 * BELIEF_ROW, "0", fontsize=TINY, **CENTRED)
    across, up = studio.sounds_like
    x, y = MAP_CENTRE
    below = MAP_TOP + MAP_HEIGHT + 14
    ax.text(x, below, f"{across} →", fontsize=SMALL, **CENTRED)
    ax.text(MAP_LEFT - 14, y, f"{up} →", fontsize=SMALL, rotation=90, **CENTRED)


def _draw_key(ax: Axes) -> None:
    """The boxes of the session, and the key to the marks."""
    places = MAP_LEFT + BOX * (np.arange(LONGEST) + 0.5)
    ax.plot(places, np.full(LONGEST, STRIP), "s", ms=11, mfc="white", mec="0.8")
    ax.text(MAP_LEFT, KEY, "this session:", va="center", fontsize=SMALL)
    for x, (mark, colour, word) in zip((110, 200, 302), MARKS.values(), strict=True):
        ax.plot(MAP_LEFT + x, KEY - 1, mark, ms=_size(mark, 7), color=colour)
        ax.text(MAP_LEFT + x + 12, KEY, word, va="center", fontsize=SMALL)


def _rim() -> Floats:
    """Directions of the features round the radar, clockwise from the top: [11, 2]."""
    angles = 2 * np.pi * np.arange(len(FEATURES)) / len(FEATURES)
    return np.column_stack([np.sin(angles), -np.cos(angles)])


def _size(mark: str, points: float) -> float:
    """A star looks smaller than a disc of its size."""
    return 1.35 * points if mark == "*" else points


# -- what moves
def _on_map(studio: Studio, songs: Any) -> Floats:
    """Places of songs on the sheet: [n, 2]."""
    corner = np.array([MAP_LEFT, MAP_TOP + MAP_HEIGHT])
    return np.asarray(corner + studio.places[songs] * (MAP_WIDTH, -MAP_HEIGHT))


def _paint_dots(picture: Pixels, view: View) -> None:
    """A dot for each song, dark where its log odds are high; the best are on top."""
    studio = view.listener.studio
    if "dots" not in studio.drawn:
        middle = _on_map(studio, slice(None)).round().astype(np.int64)
        dot = DOT if len(middle) <= MANY else DOT[:1]
        studio.drawn["dots"] = middle[:, None] + dot  # [songs, pixels, 2]
    order = np.argsort(view.opinion, kind="stable")
    share = np.clip(view.opinion[order] / 5.0 + 0.5, 0.0, 1.0)[:, None]
    colours = ((1 - share) * PALE + share * DARK).astype(np.uint8)
    dots = studio.drawn["dots"][order]
    picture[dots[:, :, 1], dots[:, :, 0]] = colours[:, None]


def _song(ax: Axes, view: View) -> None:
    features = view.listener.studio.tracks.features[view.song][:, None]
    here = RADAR + RADIUS * features * _rim()
    ax.fill(*here.T, fc=(*mpl.colors.to_rgb(ORANGE), 0.35), ec=ORANGE, lw=2)


def _belief(ax: Axes, view: View) -> None:
    top = max(1.5, float(np.ceil(2 * np.abs(view.features).max()) / 2))
    rows = BELIEF_TOP + BELIEF_ROW * np.arange(len(FEATURES))
    ends = BELIEF + BELIEF_WIDTH * view.features / top
    colours = np.where(view.features > 0, GREEN, RED).tolist()
    ax.hlines(rows, BELIEF, ends, lw=8, colors=colours)
    y = BELIEF_TOP + 11.5 * BELIEF_ROW
    for side in (-1, 1):
        x = BELIEF + side * BELIEF_WIDTH
        ax.text(x, y, f"{side * top:g}", fontsize=TINY, **CENTRED)
    words = "what it believes you like" if view.own else "what your reactions say"
    ax.text(12, 288, f"{words} (log odds)", **HEADING)


def _session(ax: Axes, view: View) -> None:
    for play in view.listener.heard:
        mark, colour, _ = MARKS[play.kind]
        x = MAP_LEFT + BOX * (play.position - 0.5)
        ax.plot(x, STRIP, mark, ms=_size(mark, 7), color=colour)


def _plays(ax: Axes, view: View) -> None:
    """All plays of this person on the map; those of former sessions smaller."""
    listener = view.listener
    for kind, (mark, colour, _) in MARKS.items():
        plays = [play for play in listener.known if play.kind == kind]
        for now, size in ((False, 5.0), (True, 8.0)):
            songs = []
            for play in plays:
                if (play.session == listener.session) == now:
                    songs.append(play.song)
            if songs:
                style: Style = {"ms": _size(mark, size), "mec": "white", "mew": 0.7}
                ax.plot(*_on_map(listener.studio, songs).T, mark, color=colour, **style)


def _shown(now: Offer) -> list[int]:
    """Places of the songs on offer that are listed: the best ten.

    The song that plays takes the last place if it is none of them.
    """
    rows = list(range(min(SHOWN, len(now.songs))))
    return rows if now.pick in rows else [*rows[:-1], now.pick]


def _number_spots(view: View) -> dict[int, Floats]:
    """Place among the songs on offer -> where its number stands on the map.

    That is away from other songs on offer, from plays and from numbers.
    """
    if view.now is None:
        return {}
    studio = view.listener.studio
    places = _on_map(studio, view.now.songs)
    played = np.array([play.song for play in view.listener.known], np.int64)
    taken = [*places, *_on_map(studio, played)]
    spots = {}
    for place in _shown(view.now):
        spots[place] = _free_spot(places[place], taken)
        taken.append(spots[place])
    return spots


def _rings(ax: Axes, places: Floats, spots: dict[int, Floats], pick: int) -> None:
    """The songs on offer as rings with their rank, the one that plays as a diamond."""
    ring: Style = {"ms": 8, "mfc": (1, 1, 1, 0.6), "mec": "black", "mew": 1.5}
    ax.plot(*np.delete(places, pick, axis=0).T, "o", **ring)
    ax.plot(*places[pick], "D", ms=9, mfc=ORANGE, mec="black", mew=1.3)
    for place, (x, y) in spots.items():
        weight = "bold" if place == pick else "normal"
        ax.text(x, y, str(place + 1), fontsize=SMALL, weight=weight, **CENTRED)


def _free_spot(place: Floats, taken: list[Floats], away: float = 14.5) -> Floats:
    """The first free one of sixteen places around ``place``, near ones first.

    Without a free one, that with most room.
    """
    angles = np.pi * np.array([7, 1, 3, 5, 0, 2, 4, 6]) / 4
    around = np.column_stack([np.cos(angles), np.sin(angles)])
    spots = place + away * np.concatenate([around, 1.8 * around])
    half = np.array([MAP_WIDTH, MAP_HEIGHT]) / 2 - 6
    spots = np.clip(spots, MAP_CENTRE - half, MAP_CENTRE + half)
    room = np.linalg.norm(spots[:, None] - np.array(taken)[None], axis=2).min(axis=1)
    free = np.flatnonzero(room >= 0.95 * away)
    return np.asarray(spots[free[0] if len(free) else int(room.argmax())])


def _arrow(ax: Axes, slope: Floats) -> None:
    """An arrow along the slope of the belief, up to a third of the map long."""
    strength = float(np.linalg.norm(slope))
    length = 0.34 * np.tanh(strength / 1.5)
    if length <= 0.02:
        return
    tip = MAP_CENTRE + slope / strength * length * (MAP_WIDTH, -MAP_HEIGHT)
    style: Style = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "lw": 2.5}
    style |= {"mutation_scale": min(20.0, 200.0 * length), "color": "black"}
    ax.annotate("", tip.tolist(), MAP_CENTRE.tolist(), arrowprops=style)


def _list_offer(ax: Axes, view: View, now: Offer, shown: list[int]) -> None:
    """The songs on offer, best first, each with its probability as a bar.

    The one that plays is orange.
    """
    stated = now.probabilities is not None
    words = (
        "on offer now, with their probabilities" if stated else "what it ranks first"
    )
    ax.text(OFFER, 24, words, **HEADING)
    for row, place in enumerate(shown):
        plays = place == now.pick
        y = OFFER_TOP + OFFER_ROW * row
        name = f"{place + 1}  {_label(view, int(now.songs[place]))}"
        style: Style = {"va": "center", "weight": "bold" if plays else "normal"}
        ax.text(OFFER, y, name, fontsize=SMALL, parse_math=False, **style)
        if now.probabilities is not None:
            share = float(now.probabilities[place])
            end = OFFER + OFFER_WIDTH * share
            ax.hlines(y + 16, OFFER, end, lw=8, color=ORANGE if plays else "0.35")
            ax.text(end + 5, y + 16, percent(share), va="center", fontsize=TINY)


def _list_session(ax: Axes, view: View) -> None:
    """The songs of a session that is over."""
    ax.text(OFFER, 24, "your session", **HEADING)
    for row, play in enumerate(view.listener.heard):
        y = 52 + 23.5 * row
        mark, colour, _ = MARKS[play.kind]
        ax.plot(OFFER + 8, y, mark, ms=_size(mark, 7), color=colour)
        name = _label(view, play.song)
        ax.text(OFFER + 22, y, name, va="center", fontsize=SMALL, parse_math=False)


def _label(view: View, song: int) -> str:
    """Title and artist, shortened; a character that the font lacks becomes a box."""
    name = shorten(view.listener.studio.tracks.label(song), 42)
    return "".join(letter if ord(letter) in _letters() else "\u25af" for letter in name)


@cache
def _letters() -> frozenset[int]:
    """The characters of DejaVu Sans, the lessons' font."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def percent(probability: float) -> str:
    """A probability in whole percent.

    >>> percent(0.114), percent(0.0001)
    ('11%', '<1%')
    """
    return "<1%" if probability < 0.005 else f"{probability:.0%}"


# -- the line of text
def view_text(view: View) -> str:
    """What plays and with which probability, the session's tally, the belief."""
    listener = view.listener
    tally = Counter(play.kind for play in listener.heard)
    counts = ", ".join(f"{tally[kind]} {word}" for kind, (_, _, word) in MARKS.items())
    words = f"{_words(view)}. Agent: <b>{html.escape(listener.studio.name)}</b>"
    if view.now is None:
        over = f"<b>The session is over</b>: {counts}"
        return f"{over}<br>{words}. Start another, or save the log."
    title = html.escape(listener.studio.tracks.label(view.song))
    place = f"Song {len(listener.heard) + 1} of {LONGEST}"
    how = _how_chosen(view.now, listener.sampled)
    return f"<b>{title}</b>, {how}<br>{place}; {counts}. {words}"


def _words(view: View) -> str:
    """The belief in words: the two features with the longest bars, if long enough."""
    bars = view.features
    strongest = np.argsort(-np.abs(bars).round(6), kind="stable")[:2]
    said = []
    for i in strongest:
        if abs(bars[i]) > 0.25:
            said.append(f"{'more' if bars[i] > 0 else 'less'} {FEATURES[i]}")
    who = "It believes you like" if view.own else "Your reactions say"
    return f"{who}: {' and '.join(said) or 'nothing yet'}"


def _how_chosen(now: Offer, sampled: bool) -> str:
    if now.probabilities is None:
        return "named first by an agent that gives no probabilities"
    stated = html.escape(percent(now.probabilities[now.pick]))
    if sampled:
        return f"drawn with probability {stated}"
    return f"the most probable ({stated}), played for certain"


# -- the lesson's picture
def draw_after_twelve(figure: Figure) -> None:
    """The widget after twelve songs of somebody who likes it loud."""
    studio = make_studio()
    listener = let_answer(Listener(studio), loud_person(studio.tracks), 12)
    draw_view(figure, listener.view)


FIGURES = {"14_you_are_the_listener.png": (draw_after_twelve, SIZE)}
