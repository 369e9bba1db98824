"""How the suite's false-alarm rate is shared out.

With the union bound the whole suite raises a false alarm with a probability of at most 1e-6,
however its assertions depend on one another. Exact checks raise none.
"""

__all__ = ["STATISTICAL", "STRUCTURAL", "SUITE"]

SUITE = 1e-6

STRUCTURAL = 1e-7
"""Part of the structural checks, most of which are exact."""

STATISTICAL = 9e-7
"""Part of the statistical checks, those of the planted errors included."""
