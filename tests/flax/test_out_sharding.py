"""A parameter drawn over eight devices: laid out as asked, equal to the one drawn on one device.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports a verdict per case; here every verdict is one test.
"""

import json

import pytest

from tests.devices import output_on_eight_devices
from tests.flax.eight_devices import CASES


@pytest.fixture(scope="module")
def verdicts():
    return json.loads(output_on_eight_devices("-m", "tests.flax.eight_devices"))


@pytest.mark.parametrize("name", CASES)
def test_sharded_over_eight_devices(name, verdicts):
    assert verdicts[name] == "as asked, and the same bits"


def test_the_comparison_can_fail(verdicts):
    """The program also hands in a wrong layout and a wrong value, to be told so."""
    assert "sharding" in verdicts["planted: another layout"]
    assert "differ" in verdicts["planted: another key"]
