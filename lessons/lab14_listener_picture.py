"""The picture of lesson 14's ``ListenerLab``: the song, the belief, the map of sound, the session, the songs on offer.

Text is what costs time in Matplotlib. So all that no press changes is drawn once, as an array of pixels, and a press
draws on top of it, on one sheet whose units are pixels, y downwards. The dots of the map are painted as pixels too.
"""

from __future__ import annotations

import html
from collections import Counter
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
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
from rlrec.viz.style import PALETTE, theme

Pixels = NDArray[np.uint8]

SIZE = (10.4, 5.3)  # inches, at 100 dots an inch
WIDTH, HEIGHT = 1040, 530  # the sheet
RADAR, RADIUS = np.array([151.0, 146.0]), 72.0
BELIEF, BELIEF_TOP, BELIEF_ROW, BELIEF_WIDTH = (
    196.0,
    318.0,
    16.5,
    82.0,
)  # the line of 0, first row, a row, half width
MAP_LEFT, MAP_TOP, MAP_WIDTH, MAP_HEIGHT = 322, 44, 370, 370
STRIP, KEY, BOX = (
    466.0,
    508.0,
    18.5,
)  # the session's boxes, the key to the marks, a box's width
OFFER, OFFER_TOP, OFFER_ROW, OFFER_WIDTH = 722.0, 56.0, 46.5, 270.0
DOT, MANY = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)), 5_000
SHOWN = 10  # songs on offer that are listed
SMALL, TITLE = 8.0, 9.5  # points

ORANGE, GREEN, PINK, RED = PALETTE[1], PALETTE[2], PALETTE[3], PALETTE[5]
PALE, DARK = (
    np.array([216, 220, 228]),
    np.array([41, 92, 140]),
)  # dots that the agent expects to be skipped, and heard
MARKS = {
    "listen": ("o", GREEN, "heard"),
    "skip": ("X", RED, "skipped"),
    "like": ("*", PINK, "liked"),
}
FIGURES: dict[str, Any] = {}  # filled below


def draw_view(figure: Figure, view: View) -> None:
    """The song that plays, the belief, the map, the session so far, and the songs on offer."""
    ax = _sheet(figure)
    picture = _background(view.listener.studio).copy()
    _paint_dots(picture, view)
    spots = _number_spots(view)
    for x, y in np.round(list(spots.values())).astype(int).reshape(-1, 2):
        picture[y - 6 : y + 7, x - 7 : x + 8] = 255  # room for a number
    ax.imshow(
        picture, extent=(0, WIDTH, HEIGHT, 0), aspect="auto", interpolation="nearest"
    )
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


# -- what stays ------------------------------------------------------------------------------------------
def _background(studio: Studio) -> Pixels:
    """All that no press changes, drawn once for a studio: [rows, columns, 3]."""
    if "background" not in studio.drawn:
        with mpl.rc_context(theme()):
            figure = Figure(figsize=SIZE, dpi=100)
            canvas = FigureCanvasAgg(figure)
            _draw_frame(_sheet(figure), studio)
            canvas.draw()  # type: ignore[no-untyped-call]
        studio.drawn["background"] = np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]
    return studio.drawn["background"]


def _draw_frame(ax: Axes, studio: Studio) -> None:
    for x, words in (
        (12, "this song (dashed: the average)"),
        (MAP_LEFT, "the map of sound (dark: expected to please)"),
    ):
        ax.text(x, 24, words, fontsize=TITLE, weight="bold", va="center")
    rim = _rim()
    for radius in (0.5, 1.0):
        ax.fill(*(RADAR + radius * RADIUS * rim).T, fc="none", ec="0.85", lw=0.8)
    usual = studio.tracks.features.mean(axis=0)[:, None]
    ax.fill(*(RADAR + RADIUS * usual * rim).T, fc="none", ec="0.5", lw=1, ls="--")
    for (x, y), name in zip(rim, FEATURES, strict=True):
        side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
        at = (float(RADAR[0] + RADIUS * 1.08 * x), float(RADAR[1] + RADIUS * 1.12 * y))
        ax.text(at[0], at[1], name, ha=side, va="center", fontsize=SMALL - 0.5)
    for row, name in enumerate(FEATURES):
        y = BELIEF_TOP + BELIEF_ROW * row
        ax.text(
            BELIEF - BELIEF_WIDTH - 8,
            y,
            name,
            ha="right",
            va="center",
            fontsize=SMALL - 0.5,
        )
    ax.plot(
        [BELIEF] * 2,
        [BELIEF_TOP - 10, BELIEF_TOP + 10.6 * BELIEF_ROW],
        color="black",
        lw=0.8,
    )
    ax.text(
        BELIEF,
        BELIEF_TOP + 11.5 * BELIEF_ROW,
        "0",
        ha="center",
        va="center",
        fontsize=SMALL - 0.5,
    )
    across, up = studio.sounds_like
    middle = (MAP_LEFT + MAP_WIDTH / 2, MAP_TOP + MAP_HEIGHT / 2)
    ax.text(
        middle[0],
        MAP_TOP + MAP_HEIGHT + 14,
        f"{across} →",
        ha="center",
        va="center",
        fontsize=SMALL,
    )
    ax.text(
        MAP_LEFT - 14,
        middle[1],
        f"{up} →",
        ha="center",
        va="center",
        fontsize=SMALL,
        rotation=90,
    )
    places = MAP_LEFT + BOX * (np.arange(LONGEST) + 0.5)
    ax.plot(places, np.full(LONGEST, STRIP), "s", ms=11, mfc="white", mec="0.8")
    ax.text(MAP_LEFT, KEY, "this session:", va="center", fontsize=SMALL)
    for x, (mark, colour, word) in zip((110, 200, 302), MARKS.values(), strict=True):
        ax.plot(MAP_LEFT + x, KEY - 1, mark, ms=_size(mark, 7), color=colour)
        ax.text(MAP_LEFT + x + 12, KEY, word, va="center", fontsize=SMALL)


def _rim() -> Floats:
    """Where the features stand round the radar, clockwise from the top, y downwards: [11, 2]."""
    angles = 2 * np.pi * np.arange(len(FEATURES)) / len(FEATURES)
    return np.column_stack([np.sin(angles), -np.cos(angles)])


def _size(mark: str, points: float) -> float:
    """A star looks smaller than a disc of its size."""
    return 1.35 * points if mark == "*" else points


# -- what moves ------------------------------------------------------------------------------------------
def _on_map(studio: Studio, songs: Any) -> Floats:
    """Where songs stand on the sheet: [n, 2]."""
    return np.asarray(
        (MAP_LEFT, MAP_TOP + MAP_HEIGHT)
        + studio.places[songs] * (MAP_WIDTH, -MAP_HEIGHT)
    )


def _paint_dots(picture: Pixels, view: View) -> None:
    """A dot of five pixels (of one, if they are many) for each song, dark where the log odds are high; best on top."""
    studio = view.listener.studio
    if "dots" not in studio.drawn:
        middle = _on_map(studio, slice(None)).round().astype(np.int64)
        studio.drawn["dots"] = middle[:, None] + np.array(
            DOT if len(middle) <= MANY else DOT[:1]
        )  # [songs, 5, 2]
    order = np.argsort(view.opinion, kind="stable")
    share = np.clip(view.opinion[order] / 5.0 + 0.5, 0.0, 1.0)[:, None]
    dots = studio.drawn["dots"][order]
    picture[dots[:, :, 1], dots[:, :, 0]] = ((1 - share) * PALE + share * DARK).astype(
        np.uint8
    )[:, None]


def _song(ax: Axes, view: View) -> None:
    here = (
        RADAR
        + RADIUS * view.listener.studio.tracks.features[view.song][:, None] * _rim()
    )
    ax.fill(*here.T, fc=(*mpl.colors.to_rgb(ORANGE), 0.35), ec=ORANGE, lw=2)


def _belief(ax: Axes, view: View) -> None:
    top = max(1.5, float(np.ceil(2 * np.abs(view.features).max()) / 2))
    rows = BELIEF_TOP + BELIEF_ROW * np.arange(len(FEATURES))
    ends = BELIEF + BELIEF_WIDTH * view.features / top
    ax.hlines(
        rows,
        BELIEF,
        ends,
        lw=8,
        colors=np.where(view.features > 0, GREEN, RED).tolist(),
    )
    for side in (-1, 1):
        x, y = BELIEF + side * BELIEF_WIDTH, BELIEF_TOP + 11.5 * BELIEF_ROW
        ax.text(x, y, f"{side * top:g}", ha="center", va="center", fontsize=SMALL - 0.5)
    words = "what it believes you like" if view.own else "what your reactions say"
    ax.text(12, 288, f"{words} (log odds)", va="center", fontsize=TITLE, weight="bold")


def _session(ax: Axes, view: View) -> None:
    for kind, (mark, colour, _) in MARKS.items():
        places = [
            MAP_LEFT + BOX * (play.position - 0.5)
            for play in view.listener.heard
            if play.kind == kind
        ]
        ax.plot(places, [STRIP] * len(places), mark, ms=_size(mark, 7), color=colour)


def _plays(ax: Axes, view: View) -> None:
    """All plays of this person on the map; those of former sessions smaller."""
    listener = view.listener
    for kind, (mark, colour, _) in MARKS.items():
        for now, size in ((False, 5.0), (True, 8.0)):
            songs = [
                p.song
                for p in listener.known
                if p.kind == kind and (p.session == listener.session) == now
            ]
            if songs:
                places = _on_map(listener.studio, songs)
                ax.plot(
                    *places.T,
                    mark,
                    ms=_size(mark, size),
                    color=colour,
                    mec="white",
                    mew=0.7,
                )


def _shown(now: Offer) -> list[int]:
    """Which of the songs on offer are listed: the best ten, the last of them the one that plays if it is none."""
    rows = list(range(min(SHOWN, len(now.songs))))
    return rows if now.pick in rows else [*rows[:-1], now.pick]


def _number_spots(view: View) -> dict[int, Floats]:
    """Place among the songs on offer -> where its number stands: away from other songs on offer, plays and numbers."""
    if view.now is None:
        return {}
    studio, spots = view.listener.studio, {}
    places = _on_map(studio, view.now.songs)
    taken = [
        *places,
        *_on_map(
            studio, np.array([play.song for play in view.listener.known], np.int64)
        ),
    ]
    for place in _shown(view.now):
        spots[place] = _free_spot(places[place], taken)
        taken.append(spots[place])
    return spots


def _rings(ax: Axes, places: Floats, spots: dict[int, Floats], pick: int) -> None:
    """The songs on offer as rings with their rank, the one that plays as a diamond."""
    ax.plot(
        *np.delete(places, pick, axis=0).T,
        "o",
        ms=8,
        mfc=(1, 1, 1, 0.6),
        mec="black",
        mew=1.5,
    )
    ax.plot(*places[pick], "D", ms=9, mfc=ORANGE, mec="black", mew=1.3)
    for place, (x, y) in spots.items():
        weight = "bold" if place == pick else "normal"
        ax.text(
            x,
            y,
            str(place + 1),
            ha="center",
            va="center",
            fontsize=SMALL,
            weight=weight,
        )


def _free_spot(place: Floats, taken: list[Floats], away: float = 14.5) -> Floats:
    """Of sixteen places around ``place``, near ones first, the first that is free, else the one with most room."""
    angles = np.pi * np.array([7, 1, 3, 5, 0, 2, 4, 6]) / 4
    around = np.column_stack([np.cos(angles), np.sin(angles)])
    spots = place + away * np.concatenate([around, 1.8 * around])
    spots = np.clip(
        spots,
        (MAP_LEFT + 6, MAP_TOP + 6),
        (MAP_LEFT + MAP_WIDTH - 6, MAP_TOP + MAP_HEIGHT - 6),
    )
    room = np.linalg.norm(spots[:, None] - np.array(taken)[None], axis=2).min(axis=1)
    free = np.flatnonzero(room >= 0.95 * away)
    return np.asarray(spots[free[0] if len(free) else int(room.argmax())])


def _arrow(ax: Axes, slope: Floats) -> None:
    """From the middle to where the belief points; it grows with the slope, up to a third of the map."""
    strength = float(np.linalg.norm(slope))
    length = 0.34 * np.tanh(strength / 1.5)
    if length > 0.02:
        start = np.array([MAP_LEFT + MAP_WIDTH / 2, MAP_TOP + MAP_HEIGHT / 2])
        tip = start + slope / strength * length * (MAP_WIDTH, -MAP_HEIGHT)
        head = {
            "arrowstyle": "-|>",
            "mutation_scale": min(20.0, 200.0 * length),
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.annotate(
            "",
            tip.tolist(),
            start.tolist(),
            arrowprops={**head, "lw": 2.5, "color": "black"},
        )


def _list_offer(ax: Axes, view: View, now: Offer, shown: list[int]) -> None:
    """The songs on offer, best first, each with its chance as a bar; the one that plays in orange."""
    words = (
        "on offer now, with their chances"
        if now.chances is not None
        else "what it ranks first"
    )
    ax.text(OFFER, 24, words, va="center", fontsize=TITLE, weight="bold")
    for row, place in enumerate(shown):
        y, plays = OFFER_TOP + OFFER_ROW * row, place == now.pick
        name = f"{place + 1}  {_label(view, int(now.songs[place]))}"
        weight = "bold" if plays else "normal"
        ax.text(
            OFFER, y, name, va="center", fontsize=SMALL, weight=weight, parse_math=False
        )
        if now.chances is not None:
            length = OFFER_WIDTH * float(now.chances[place])
            ax.hlines(
                y + 16, OFFER, OFFER + length, lw=8, color=ORANGE if plays else "0.35"
            )
            ax.text(
                OFFER + length + 5,
                y + 16,
                percent(now.chances[place]),
                va="center",
                fontsize=SMALL - 0.5,
            )


def _list_session(ax: Axes, view: View) -> None:
    """The songs of a session that is over."""
    ax.text(OFFER, 24, "your session", va="center", fontsize=TITLE, weight="bold")
    for row, play in enumerate(view.listener.heard):
        y, (mark, colour, _) = 52 + 23.5 * row, MARKS[play.kind]
        ax.plot(OFFER + 8, y, mark, ms=_size(mark, 7), color=colour)
        name = _label(view, play.song)
        ax.text(OFFER + 22, y, name, va="center", fontsize=SMALL, parse_math=False)


def _label(view: View, song: int) -> str:
    """Title and artist, not too long; what the font cannot draw becomes a box (the line of text has it)."""
    name = shorten(view.listener.studio.tracks.label(song), 42)
    return "".join(letter if ord(letter) in _letters() else "\u25af" for letter in name)


@cache
def _letters() -> frozenset[int]:
    """The characters of DejaVu Sans, the lessons' font."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def percent(chance: float) -> str:
    """A chance as people read it.

    >>> percent(0.114), percent(0.0001)
    ('11%', '<1%')
    """
    return "<1%" if chance < 0.005 else f"{chance:.0%}"


# -- the line of text ------------------------------------------------------------------------------------
def view_text(view: View) -> str:
    """What plays and with which chance, the tally of the session, and the belief in words."""
    listener = view.listener
    tally = Counter(play.kind for play in listener.heard)
    counts = ", ".join(f"{tally[kind]} {word}" for kind, (_, _, word) in MARKS.items())
    if view.now is None:
        return f"<b>The session is over</b>: {counts}<br>{_words(view)}. Start another, or save the log."
    title = html.escape(listener.studio.tracks.label(view.song))
    place = f"Song {len(listener.heard) + 1} of {LONGEST}"
    return f"<b>{title}</b>, {_chance(view.now, listener.sampled)}<br>{place}; {counts}. {_words(view)}"


def _words(view: View) -> str:
    """The belief in words: the two features whose bars are longest, where they are long enough to say so."""
    bars = view.features
    strongest = np.argsort(-np.abs(bars).round(6), kind="stable")[:2]
    said = [
        f"{'more' if bars[i] > 0 else 'less'} {FEATURES[i]}"
        for i in strongest
        if abs(bars[i]) > 0.25
    ]
    who = "It believes you like" if view.own else "Your reactions say"
    return f"{who}: {' and '.join(said) if said else 'nothing yet'}"


def _chance(now: Offer, sampled: bool) -> str:
    if now.chances is None:
        return "named first by an agent that tells no chances"
    chance = html.escape(percent(now.chances[now.pick]))
    return (
        f"drawn with chance {chance}"
        if sampled
        else f"the most probable ({chance}), played for certain"
    )


# -- the lesson's picture --------------------------------------------------------------------------------
def draw_after_twelve(figure: Figure) -> None:
    """What the widget shows after twelve songs of somebody who likes it loud."""
    studio = make_studio()
    draw_view(figure, let_answer(Listener(studio), loud_person(studio.tracks), 12).view)


FIGURES["14_you_are_the_listener.png"] = (draw_after_twelve, SIZE)
