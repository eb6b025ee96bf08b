"""Lesson 16: two timings, a vendor's benchmark, Amdahl, many seeds, the bill."""

import numpy as np

from rlrec.viz.exercises import Exercise

# -- 16.2 ------------------------------------------------------------------------------
COLD = np.cumsum([10.0, 4.0, 0.2, 0.3, 0.2, 0.9, 0.2])
LOADED = np.cumsum([3.0, 2.0, 0.5, 0.1, 0.4, 0.1])
SLOW = np.cumsum([0.0, 1.0, 3.0, 2.0, 9.0])


# -- 16.4 ------------------------------------------------------------------------------
def layer(weights, biases, states, relu=True):
    found = states @ weights + biases[:, None]
    return np.maximum(0.0, found) if relu else found


def tried(weights, biases, states):
    """A layer without an axis for the rows, where NumPy takes it."""
    if len(biases) in (1, states.shape[1]):
        return np.maximum(0.0, states @ weights + biases)
    return layer(weights, biases, states)


_RNG = np.random.default_rng(16)
# As many rows as seeds: biases without an axis for the rows would fit, too.
SQUARE = tuple(
    _RNG.normal(size=shape).round(1) for shape in ((3, 2, 4), (3, 4), (3, 3, 2))
)
WIDE = tuple(
    _RNG.normal(size=shape).round(1) for shape in ((2, 5, 3), (2, 3), (2, 4, 5))
)


# -- 16.5 ------------------------------------------------------------------------------
def saved(cpu_hours, p, f, cpu_price, gpu_price, rest=1.0):
    gpu_hours = cpu_hours * (rest * (1 - p) + p / f)
    return cpu_hours * cpu_price - gpu_hours * gpu_price


def playing_at_the_cpus_price(cpu_hours, p, f, cpu_price, gpu_price):
    gpu = cpu_hours * ((1 - p) * cpu_price + p / f * gpu_price)
    return cpu_hours * cpu_price - gpu


def hours_saved(cpu_hours, p, f, cpu_price, gpu_price):
    return cpu_hours - cpu_hours * ((1 - p) + p / f)


def gpu_bill(cpu_hours, p, f, cpu_price, gpu_price):
    return cpu_hours * ((1 - p) + p / f) * gpu_price


EXERCISES = {
    "16.1": Exercise(
        "two timings each",
        expected=[10, 89, 79 / 0.19],
        tolerance=0.25,  # rows come whole: 416 is right, too
        mistakes=[
            ([30, 90, 60 / 0.19], "A launch is what is left at *0* rows."),
            ([30, 90, 415.789], "A launch is what is left at *0* rows."),
            (
                [89, 10, 79 / 0.19],
                "The order: the CPU's launch first.",
            ),
            (
                [10, 89, 79 / 0.20],
                "The GPU's rows cost something as well: the difference of both.",
            ),
            (
                [10, 89, 79 / 0.21],
                "A row costs the CPU more, the GPU less: subtract, don't add.",
            ),
            (
                [10, 89, 99 / 0.19],
                "The difference of the launches, not their sum.",
            ),
            (
                [10, 89, -79 / 0.19],
                "The sign: launches GPU less CPU, rows CPU less GPU.",
            ),
            (
                [10, 89, 0.19 / 79],
                "Upside down: milliseconds over milliseconds a row give rows.",
            ),
            (
                [0.2, 0.01, 79 / 0.19],
                "Those are milliseconds a row; the launches are asked for.",
            ),
            (
                [10, 89, 79],
                "That is how much dearer the launch is. In how many rows is it "
                "earned back?",
            ),
            ([-10, -89, 79 / 0.19], "A launch takes time: it is above 0."),
        ],
        hints=[
            "A line through two points: first milliseconds a row.",
            "CPU 80/400, GPU 4/400 ms a row; what is left at 100 rows is the launch.",
            "Then 79 ms more launch, over .19 ms saved a row.",
        ],
    ),
    "16.2": Exercise(
        "seconds_a_call",
        cases=[((COLD,), 0.2), ((LOADED,), 0.25), ((SLOW,), 3.0)],
        mistakes=[
            (
                lambda stamps: (stamps[-1] - stamps[0]) / (len(stamps) - 1),
                "That is the vendor's: the call that compiled is in it.",
            ),
            (
                lambda stamps: np.mean(np.diff(stamps)[1:]),
                "The first is out, good. But one call that met other work moves the "
                "mean: take the median.",
            ),
            (
                lambda stamps: np.median(np.diff(stamps)),
                "The median, good. The call that compiled is still among them.",
            ),
            (
                lambda stamps: np.median(np.diff(stamps)[:-1]),
                "Left out is the last call; the *first* one compiled.",
            ),
            (
                lambda stamps: np.median(np.diff(stamps)[2:]),
                "Two calls are left out; only the first one compiled.",
            ),
            (
                lambda stamps: np.min(np.diff(stamps)),
                "The fastest call is luck; asked for is the usual one.",
            ),
            (
                lambda stamps: np.median(stamps[1:]),
                "Those are times of day; the *differences* are the calls.",
            ),
            (
                lambda stamps: np.diff(stamps)[0],
                "That is the call that compiled.",
            ),
            (
                lambda stamps: np.diff(stamps)[-1],
                "One call; take the median of all but the first.",
            ),
            (
                lambda stamps: np.median(np.diff(stamps[::-1])[:-1]),
                "Backwards: a call took less than no time.",
            ),
        ],
        hints=[
            "np.diff(stamps) are the calls.",
            "Leave out the first of them, then np.median.",
        ],
    ),
    "16.3": Exercise(
        "Amdahl",
        expected=[2.5, 4.0],
        mistakes=[
            ([4.0, 2.5], "The order: first with a GPU that is five times faster."),
            ([5.0, 4.0], "Only *learning* is five times faster; playing stays."),
            ([0.4, 0.25], "Upside down: old time over new."),
            ([2.5, 5.0], "At most: as if learning took no time at all."),
            (
                [2.5, 4 / 3],
                "That bound is for making *playing* vanish; it is what stays.",
            ),
            ([200 / (10 + 150), 4.0], "Learning becomes faster, not playing."),
            ([80.0, 50.0], "Those are milliseconds; how many times faster?"),
            ([2.5, 3.0], "150 over 50 are two parts; the whole is 200."),
            ([200 / (50 + 145), 4.0], "Five *times* faster: 150 / 5, not 150 - 5."),
            ([1.6, 4.0], "What is saved is 120 ms; 80 are left of 200."),
        ],
        hints=["New time: 50 + 150 / 5.", "At most: only the 50 are left."],
    ),
    "16.4": Exercise(
        "stacked_layer",
        cases=[(SQUARE, layer(*SQUARE)), (WIDE, layer(*WIDE))],
        mistakes=[
            (
                tried,
                "Biases [S, out] meet rows, not seeds, where there are as many of "
                "both: give them an axis.",
            ),
            (
                lambda *given: layer(*given, relu=False),
                "Without max(0, ...) it is a straight line.",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x @ w),
                "The biases are missing.",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x @ w) + b[:, None],
                "First add the biases, then max(0, ...).",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x @ w[0] + b[0]),
                "All seeds have the first one's weights in yours.",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x @ w + b[0]),
                "All seeds have the first one's biases in yours.",
            ),
            (
                lambda w, b, x: np.minimum(0.0, x @ w + b[:, None]),
                "The minimum: max(0, ...) is asked for.",
            ),
            (
                lambda w, b, x: np.abs(x @ w + b[:, None]),
                "The size: below 0 becomes 0, not positive.",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x @ w - b[:, None]),
                "The biases are added, not subtracted.",
            ),
            (
                lambda w, b, x: np.maximum(0.0, x[0] @ w + b[:, None]),
                "All seeds see the first one's states in yours.",
            ),
        ],
        hints=[
            "`states @ weights` multiplies the stacks pair by pair: [S, n, out].",
            "biases[:, None] is [S, 1, out]: the same for each row of a seed.",
        ],
    ),
    "16.5": Exercise(
        "what renting saves",
        cases=[
            ((6.0, 0.6, 10.0, 0.1, 2.5), -6.3),
            ((100.0, 0.99, 50.0, 0.1, 2.0), 4.04),
            ((10.0, 0.5, 2.0, 0.75, 1.0), 0.0),
            ((8.0, 0.8, 4.0, 1.0, 1.5), 3.2),
        ],
        mistakes=[
            (
                lambda *given: -saved(*given),
                "The sign: the CPU's bill less the GPU's.",
            ),
            (
                lambda hours, p, f, cpu, gpu: saved(hours, 1.0, f, cpu, gpu),
                "Only the share p becomes faster; the rest stays as it is.",
            ),
            (
                lambda *given: saved(*given, rest=0.0),
                "What stays on the CPU takes time as well: 1 - p.",
            ),
            (
                lambda hours, p, f, cpu, gpu: saved(hours, p, 1 / f, cpu, gpu),
                "f times faster takes 1/f of the time.",
            ),
            (
                lambda hours, p, f, cpu, gpu: saved(hours, 1 - p, f, cpu, gpu),
                "The share p becomes faster, not the other one.",
            ),
            (
                playing_at_the_cpus_price,
                "The GPU is rented while the CPU plays, too: all hours at its price.",
            ),
            (
                hours_saved,
                "Those are the hours saved; the money is asked for.",
            ),
            (
                gpu_bill,
                "That is the GPU's bill. How much less is it than the CPU's?",
            ),
            (
                lambda hours, p, f, cpu, gpu: saved(hours, p, f, cpu, gpu) / hours,
                "That is saved in an hour; the whole training is asked for.",
            ),
            (
                lambda hours, p, f, cpu, gpu: max(0.0, saved(hours, p, f, cpu, gpu)),
                "It may cost more: then the number lies below 0.",
            ),
            (
                lambda hours, p, f, cpu, gpu: saved(hours, p, f, gpu, cpu),
                "The prices are exchanged.",
            ),
        ],
        hints=[
            "Hours on the GPU: cpu_hours * ((1 - p) + p / f).",
            "cpu_hours * cpu_price less those hours * gpu_price.",
        ],
    ),
}
