"""The parts of ``python -m examples.choose_mode``: data, models, and how they are trained."""
