"""How the layers of two models are found to belong together."""
