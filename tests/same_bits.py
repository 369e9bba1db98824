"""Comparison to the bit of what one program drew with what another did."""

import numpy as np


def differing(ours, expected) -> dict[str, str]:
    """What differs, by name; empty if the arrays of both are equal in dtype, shape and bits.

    Args:
        ours: arrays by name, or in a sequence.
        expected: the same names, or a sequence as long.
    """
    if not isinstance(ours, dict):
        ours, expected = dict(enumerate(ours)), dict(enumerate(expected))
    assert set(ours) == set(expected)
    found = {}
    for name, x in ours.items():
        x, y = np.asarray(x), np.asarray(expected[name])
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            found[str(name)] = f"{x.dtype}{x.shape}, not {y.dtype}{y.shape}"
        elif x.tobytes() != y.tobytes():
            found[str(name)] = f"{np.sum(x != y)} of {x.size} elements"
    return found
