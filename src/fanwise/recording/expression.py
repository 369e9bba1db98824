"""Values that are made of random draws."""

__all__ = ["Expression"]


class Expression:
    """A tensor as a function of random draws."""
