"""What a model's constructor asked for, written down so that it can be drawn anywhere."""

from fanwise.recording.recipe import Recipe, Recorded

__all__ = ["Recipe", "Recorded"]
