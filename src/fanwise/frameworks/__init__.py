"""One adapter for each framework: find the layers of a model, and start them by a rule."""
