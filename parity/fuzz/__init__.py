"""Random torch models and their twins in Flax."""
