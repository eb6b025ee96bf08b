"""What needs TensorFlow: embeddings, state representations, networks. Nothing is imported until it is asked for."""
