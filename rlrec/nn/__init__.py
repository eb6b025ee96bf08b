"""TensorFlow itself: the backend, small networks, optimisers."""
