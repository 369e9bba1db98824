"""A correspondence answers by torch's names."""

import pytest

from fanwise.layers import Layer
from fanwise.porting import Correspondence, Pair

PAIRS = tuple(
    Pair(Layer(path, "Linear"), Layer(f"Dense_{i}", "Linear"))
    for i, path in enumerate(["features.0", "features.3"])
)


def test_a_pair_by_name():
    assert Correspondence(PAIRS)["features.3"] is PAIRS[1]


def test_a_name_that_was_not_matched():
    with pytest.raises(KeyError, match=r"'features\.1'.*features\.0, features\.3"):
        Correspondence(PAIRS)["features.1"]
