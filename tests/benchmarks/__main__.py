"""Print the speed of the ground floor, on one core."""

import statistics
import subprocess
import sys
import time
from functools import partial

import numpy as np
from lab00_first_taste import first_taste_lab
from lab01_deciding import returns_and_beliefs_lab
from lab02_td_update import update_lab
from lab03_exploration import exploration_lab
from lab04_reward_lab import reward_lab
from moving_picture import sweep_train
from threadpoolctl import threadpool_limits

import rlrec
from rlrec.agents import QLearning
from rlrec.envs import GenreBatch, ListeningBatch
from tests.benchmarks import compiled, ddpg, loading, nstep, ppo, replay, vae


def rate(work, count, repeats=5):
    """Median of ``count`` / processor seconds of ``work()``, after a warm-up."""
    work()
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        rates.append(count / (time.process_time() - start))
    return statistics.median(rates)


def listening(rows, **settings):
    env = ListeningBatch(rows, **settings)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = [rng.integers(10, size=rows) for _ in range(50)]
    return rate(lambda: [env.step(action) for action in actions], 50 * rows)


def qlearning(runs, steps=500):
    env, agent = (
        GenreBatch(runs, user="pop_lover"),
        QLearning(5, 5, n_runs=runs, rng=np.random.default_rng(0)),
    )
    return rate(lambda: agent.train(env, steps), runs * steps)


def redraw(lab):
    """Median wall milliseconds from a moved control to the new picture."""
    seconds = []
    for control in lab.controls.values():
        if hasattr(control, "max") and isinstance(control.value, (int, float)):
            for share in (0.2, 0.4, 0.6, 0.8):
                value = type(control.value)(
                    control.min + share * (control.max - control.min)
                )
                start = time.perf_counter()
                control.set_state({"value": value})
                seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def import_seconds():
    """Median wall seconds of ``import rlrec`` in new processes, after a warm-up."""
    clock = "time.perf_counter()"
    program = f"import time; s = {clock}; import rlrec; print({clock} - s)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        for _ in range(6)
    ]
    return statistics.median(float(run.stdout) for run in runs[1:])


def line(what, value, unit):
    """Print one figure: with a decimal below 100."""
    print(f"{what:<34}{value:12,.{0 if value >= 100 else 1}f} {unit}".rstrip())


def main():
    with threadpool_limits(1):
        wide, one = listening(4096), listening(1)
        many, alone = qlearning(1000), qlearning(1)
    print(f"rlrec {rlrec.__version__}, one core")
    line("Listening-v0, 4,096 listeners", wide, "listener-steps a second")
    line("  one listener", one, "")
    line("  ratio to RecGym's 25,000", wide / 25_000, "")
    line("  ratio to RecSim's 7,000 or less", wide / 7_000, "or more")
    line("  ids instead of features", listening(4096, observe="ids"), "")
    line("Q-learning, 1,000 runs", many, "updates a second, environment included")
    line("  one run", alone, "")
    labs = (
        first_taste_lab,
        returns_and_beliefs_lab,
        update_lab,
        exploration_lab,
        partial(reward_lab, sweep_train),
    )
    shown = ", ".join(
        f"{number:02d} {redraw(lab()):.0f}" for number, lab in enumerate(labs)
    )
    print(f"Widgets, median redraw by lesson, ms: {shown}")
    for environments in ppo.SHAPES:
        found = ppo.compare(environments)
        alone, together, other = map(statistics.median, zip(*found, strict=True))
        shape = f"PPO, {environments} x {ppo.ROUND // environments} steps"
        line(shape, alone, f"steps a second; Stable-Baselines3 {other:,.0f}; one core")
        line("  eight seeds together, summed", together, "steps a second")
        for what, mine in (("one seed", 0), ("eight seeds", 1)):
            ratios = sorted(one[mine] / one[2] for one in found)
            spread = f"({ratios[0]:.1f} to {ratios[-1]:.1f})"
            name = f"  ratio of {what}, median of {len(found)}"
            line(name, statistics.median(ratios), spread)
    ddpg.report(line)
    vae.report(line)
    compiled.report(line)
    with threadpool_limits(1):
        replay.report(line)
        nstep.report(line)
        loading.report(line)
    line("import rlrec", 1000 * import_seconds(), "ms (median of 5, warm)")


if __name__ == "__main__":
    main()
