"""From logs to live: off-policy estimators, learned listeners, live training."""
