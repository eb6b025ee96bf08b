"""A run's folder, from the start of a training to its evaluation."""
