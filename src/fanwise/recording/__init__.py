"""What a model's constructor asked for, written down so that it can be drawn anywhere."""

from fanwise.recording.expression import Call, Draw, Expression, Fill, Literal
from fanwise.recording.recipe import Recipe, Recorded

__all__ = ["Call", "Draw", "Expression", "Fill", "Literal", "Recipe", "Recorded"]
