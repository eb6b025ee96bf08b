"""What the site's own scripts compute, held to the Python that they repeat.

Needs Debian's Chromium, no site.
"""

import importlib
import shutil
from pathlib import Path

import answers
import numpy as np
import pytest
from lab14_listener import Listener
from lab14_listener_picture import rises
from lesson_checks import defined
from listener import listener_data

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "lessons" / "site" / "static"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EXERCISES = {
    number: exercise
    for lesson in range(16)
    for number, exercise in importlib.import_module(
        f"exercises.lesson{lesson:02}"
    ).EXERCISES.items()
    if answers.number_field(number, exercise)
}

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: apt-get install chromium"
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)


@pytest.fixture(scope="module")
def page():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page()
        for name in ("belief.js", "exercises.js"):
            page.add_script_tag(path=STATIC / name)
        yield page
        browser.close()


def test_the_belief_and_the_chances_are_those_of_python(page):
    """After 0, 1, ... 19 plays; the rule that the lesson defines."""
    lesson = defined("14", "catalogue = ", "class TasteSoftmax")
    agent = lesson["rule"]
    listener = Listener(lesson["tracks"], agent, agent)
    data = listener_data()
    kinds = "like skip listen like like skip listen skip like listen".split() * 2
    for kind in kinds:
        seen = listener.seen
        songs = seen["candidates"][0].tolist()
        played = [play.song for play in listener.plays]
        given = {
            "sounds": [data["sound"][song] for song in played],
            "kinds": [play.kind for play in listener.plays],
            "offered": [data["sound"][song] for song in songs],
            "appeals": [data["appeal"][song] for song in songs],
            "settings": data["settings"],
        }
        weights, chances = page.evaluate(
            """({sounds, kinds, offered, appeals, settings}) => {
                const weights = belief(sounds, kinds, settings, offered[0].length);
                return [weights, chances(weights, offered, appeals, settings)];
            }""",
            given,
        )
        np.testing.assert_allclose(weights, agent.belief(seen)[0], atol=1e-9)
        expected = agent.probabilities(seen)[1][0]
        np.testing.assert_allclose(chances, expected, atol=1e-9, rtol=0)
        slopes = np.array(data["rises"]) @ weights / agent.temperature
        features = rises(lesson["catalogue"]) @ listener.belief
        np.testing.assert_allclose(slopes, features, atol=1e-9)
        listener = listener.react(kind)


def judge(page, number, values):
    text = ", ".join(repr(value) for value in values)
    return page.evaluate(
        "([text, exercise]) => judge(numbers(text), exercise)",
        [text, answers.number_data(number, EXERCISES[number])],
    )


def test_numbers_are_asked_for_in_most_lessons():
    assert len(EXERCISES) >= 18
    assert len({number[:2] for number in EXERCISES}) >= 12


@pytest.mark.parametrize("number", EXERCISES)
def test_the_page_says_of_an_answer_what_check_says(page, number):
    exercise = EXERCISES[number]
    expected = answers.as_numbers(exercise.expected)
    assert judge(page, number, expected) == "Correct."
    half = [value + exercise.tolerance / 2 for value in expected]
    assert judge(page, number, half) == "Correct."
    for wrong, _ in exercise.mistakes:
        values = answers.as_numbers(wrong)
        if values is None:
            continue
        words = exercise.words(exercise.results(wrong))
        said = judge(page, number, values)
        assert said.startswith("Not right yet"), (wrong, said)
        if len(values) == len(expected):
            assert said.endswith(words), (wrong, said)
    other = [value + 1000 for value in expected]
    count = len(expected)
    assert judge(page, number, other) == (
        f"Not right yet: 0 of {count} are right." if count > 1 else "Not right yet."
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("9/16", [0.5625]),
        (" [1, -2.5; 3e-1] ", [1, -2.5, 0.3]),
        ("(1/3 2)", [1 / 3, 2]),
        ("", None),
        ("one", None),
        ("1,/2", None),
        ("1/0", None),
        ("1/2/3", None),
    ],
)
def test_what_counts_as_numbers(page, text, values):
    assert page.evaluate("text => numbers(text)", text) == values
