"""A run's folder, from the start of a training to its evaluation.

``run`` reads and writes ``config.json``; ``session`` trains with checkpoints, Ctrl-C
and ``--resume``; ``task`` is the data, protocol and split of a run on ratings.
One group of files an agent: ``qlearning``, ``ddpg*``, ``ppo*``, ``vae``.
"""
