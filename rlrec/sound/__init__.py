"""A map of sound: the VAE, and rewards spread over its map."""
