"""The demo's exercises."""

from rlrec.viz.exercises import Exercise

EXERCISES = {
    "99.1": Exercise("the return", expected=7.0, hints=["No discount."]),
    "99.2": Exercise(
        "td_target",
        cases=[((10, 0.9, 0.2), 10.18), ((10, 0.9, 0.0), 10)],
        hints=["Reward, plus the discounted best value of the next state."],
    ),
}
