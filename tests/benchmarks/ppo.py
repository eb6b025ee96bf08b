"""PPO beside Stable-Baselines3: steps a second in the same environment on one core.

    python -m tests.benchmarks.ppo ours|seeds|theirs CORE ENVIRONMENTS

Each runs in a process of its own. 2,048 songs a round, in two shapes: 8 environments of
256 steps and 128 of 16; 10 epochs, minibatches of 64, two layers of 64, no early stop.
The first round, which compiles, is left out. Listening-v0 with 10 candidates; ours sees
ids, theirs the flat vector of features. ``seeds``: eight of ours side by side, their
steps summed.
"""

import os
import subprocess
import sys
import time

ROUND, EPOCHS, MINIBATCH, LAYERS = 2048, 10, 64, (64, 64)
SHAPES = (8, 128)  # environments at a time
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


def agents(environments, count):
    """``count`` agents that differ in their seeds."""
    from rlrec.agents.ppo import PPO, PPOConfig
    from rlrec.envs import default_catalogue

    config = PPOConfig(
        rollout=ROUND // environments,
        epochs=EPOCHS,
        minibatch=MINIBATCH,
        hidden=LAYERS,
        target_kl=0.0,
        learning_rate=3e-4,
    )
    return [PPO(default_catalogue().sound, config, seed) for seed in range(count)]


def ours(rounds, environments):
    """Steps a second over ``rounds`` rounds after the first."""
    from rlrec.envs import ListeningBatch

    (agent,) = agents(environments, 1)
    env = ListeningBatch(environments, observe="ids", history=20)
    agent.train(env, ROUND)
    start = time.perf_counter()
    agent.train(env, rounds * ROUND)
    return rounds * ROUND / (time.perf_counter() - start)


def seeds(rounds, environments, count=8):
    """The same of ``count`` seeds together, summed."""
    from rlrec.agents.ppo_seeds import PPOSeeds
    from rlrec.envs import ListeningBatch

    together = PPOSeeds(agents(environments, count))
    env = ListeningBatch(environments * count, observe="ids", history=20)
    firsts = [1_000 * seed for seed in range(count)]
    together.train(env, ROUND, seeds=firsts)
    start = time.perf_counter()
    together.train(env, rounds * ROUND, seeds=firsts)
    return count * rounds * ROUND / (time.perf_counter() - start)


def theirs(rounds, environments):
    """The same by Stable-Baselines3's PPO with its MlpPolicy."""
    sys.modules["torch.utils.tensorboard"] = (
        None  # or it imports TensorFlow, and two compilers clash in one process
    )
    import gymnasium
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    import rlrec  # noqa: F401  (registers the environments)

    torch.set_num_threads(1)
    envs = DummyVecEnv(
        [lambda: gymnasium.make("rlrec/Listening-v0") for _ in range(environments)]
    )
    agent = PPO(
        "MlpPolicy",
        envs,
        n_steps=ROUND // environments,
        n_epochs=EPOCHS,
        batch_size=MINIBATCH,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": list(LAYERS)},
    )
    agent.learn(ROUND)
    start = time.perf_counter()
    agent.learn(rounds * ROUND, reset_num_timesteps=False)
    return rounds * ROUND / (time.perf_counter() - start)


def measure(who, core, module, *more):
    """What ``python -m module who core *more`` prints last, in a new process."""
    words = ["-m", module, who, str(core), *map(str, more)]
    found = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ONE_CORE,
    )
    return float(found.stdout.split()[-1])


def compare(environments, pairs=3):
    """Steps a second of ours, eight seeds of ours, and theirs, one after the other."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    return [
        tuple(
            measure(who, core, "tests.benchmarks.ppo", environments)
            for who in ("ours", "seeds", "theirs")
        )
        for _ in range(pairs)
    ]


if __name__ == "__main__":
    who, core, environments = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    work, rounds = {"ours": (ours, 30), "seeds": (seeds, 4), "theirs": (theirs, 4)}[who]
    print(work(rounds, environments))
