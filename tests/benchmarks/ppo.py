"""PPO beside Stable-Baselines3: steps a second in the same environment on one core.

    python -m tests.benchmarks.ppo ours|theirs CORE ENVIRONMENTS

Each runs in a process of its own. 2,048 songs a round, in two shapes: 8 environments of
256 steps and 128 of 16; 10 epochs, minibatches of 64, two layers of 64, no early stop.
The first round, which compiles, is left out. Listening-v0 with 10 candidates; ours sees
ids, theirs the flat vector of features.
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


def ours(rounds, environments):
    """Steps a second over ``rounds`` rounds after the first."""
    from rlrec.agents.ppo import PPO, PPOConfig
    from rlrec.envs import ListeningBatch, default_catalogue

    config = PPOConfig(
        rollout=ROUND // environments,
        epochs=EPOCHS,
        minibatch=MINIBATCH,
        hidden=LAYERS,
        target_kl=0.0,
        learning_rate=3e-4,
    )
    agent = PPO(default_catalogue().sound, config, seed=0)
    env = ListeningBatch(environments, observe="ids", history=20)
    agent.train(env, ROUND)
    start = time.perf_counter()
    agent.train(env, rounds * ROUND)
    return rounds * ROUND / (time.perf_counter() - start)


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
    """Steps a second of both, for each pair of runs, one after the other."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    return [
        tuple(
            measure(who, core, "tests.benchmarks.ppo", environments)
            for who in ("ours", "theirs")
        )
        for _ in range(pairs)
    ]


if __name__ == "__main__":
    who, core, environments = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    print(ours(30, environments) if who == "ours" else theirs(4, environments))
