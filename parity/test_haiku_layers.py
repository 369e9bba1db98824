"""Haiku's layers compute what torch's do with the same parameters, and errors are noticed."""

import pytest

from parity.haiku_layers import PAIRS
from parity.module_pairs import reversed_axis


@pytest.mark.parametrize("name", PAIRS)
def test_outputs_are_torchs_and_a_wrong_conversion_is_noticed(name):
    pair = PAIRS[name]()
    assert pair.mismatches() == []
    (line,) = pair.mismatches(reversed_axis)
    assert "outputs off" in line
