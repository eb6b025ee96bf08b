"""PPO beside Stable-Baselines3 on the same environment and one core: steps a second, each in a process of its own.

    python -m tests.benchmarks.ppo ours | theirs

8 environments of 256 steps a round, 10 epochs, minibatches of 64, two layers of 64; no early stop; the first round,
which compiles, is left out. Listening-v0 with 10 candidates; ours sees ids, theirs the flat vector of features.
"""

import os
import subprocess
import sys
import time

ENVIRONMENTS, ROLLOUT, EPOCHS, MINIBATCH, LAYERS = 8, 256, 10, 64, (64, 64)
ONE_CORE = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
ROUND = ENVIRONMENTS * ROLLOUT


def ours(rounds):
    """Steps a second over ``rounds`` rounds after the first."""
    from rlrec.agents.ppo import PPO, PPOConfig
    from rlrec.envs import ListeningBatch, default_catalogue

    config = PPOConfig(
        rollout=ROLLOUT, epochs=EPOCHS, minibatch=MINIBATCH, hidden=LAYERS, target_kl=0.0, learning_rate=3e-4
    )
    agent = PPO(default_catalogue().sound, config, seed=0)
    env = ListeningBatch(ENVIRONMENTS, observe="ids", history=20)
    agent.train(env, ROUND)
    start = time.perf_counter()
    agent.train(env, rounds * ROUND)
    return rounds * ROUND / (time.perf_counter() - start)


def theirs(rounds):
    """The same by Stable-Baselines3's PPO with its MlpPolicy."""
    sys.modules["torch.utils.tensorboard"] = None  # or it imports TensorFlow, and two compilers clash in one process
    import gymnasium
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    import rlrec  # noqa: F401  (registers the environments)

    torch.set_num_threads(1)
    envs = DummyVecEnv([lambda: gymnasium.make("rlrec/Listening-v0") for _ in range(ENVIRONMENTS)])
    agent = PPO(
        "MlpPolicy", envs, n_steps=ROLLOUT, n_epochs=EPOCHS, batch_size=MINIBATCH, seed=0, device="cpu",
        policy_kwargs={"net_arch": list(LAYERS)},
    )  # fmt: skip
    agent.learn(ROUND)
    start = time.perf_counter()
    agent.learn(rounds * ROUND, reset_num_timesteps=False)
    return rounds * ROUND / (time.perf_counter() - start)


def measure(who, core):
    """Steps a second of ``who`` ("ours", "theirs") in a fresh process that may use ``core`` alone."""
    command = [sys.executable, "-m", "tests.benchmarks.ppo", who, str(core)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | ONE_CORE)
    return float(found.stdout.split()[-1])


def compare(pairs=3):
    """Steps a second of both, and the ratio of each pair, run one after the other."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1
    return [(measure("ours", core), measure("theirs", core)) for _ in range(pairs)]


if __name__ == "__main__":
    if int(sys.argv[2]) >= 0:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    print(ours(30) if sys.argv[1] == "ours" else theirs(4))
