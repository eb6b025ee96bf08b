"""rlrec: learn reinforcement-learning recommenders by running them.

Importing it registers the environments ``rlrec/Genre-v0``, ``rlrec/Listening-v0`` and
``rlrec/Ratings-v0`` with Gymnasium. It imports neither TensorFlow nor Matplotlib.
"""

from gymnasium import register

__version__ = "0.2.0"

for _name, _module in (
    ("Genre", "genre"),
    ("Listening", "listening"),
    ("Ratings", "ratings"),
):
    register(
        f"rlrec/{_name}-v0",
        entry_point=f"rlrec.envs.{_module}:{_name}Env",
        vector_entry_point=f"rlrec.envs.{_module}:{_name}Batch",
    )
