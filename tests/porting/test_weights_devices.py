"""Over eight devices each has its part of the weights and nothing more.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports on every case.
"""

import json

import pytest

from tests.devices import output_on_eight_devices
from tests.porting.eight_devices import AXES, CASES


@pytest.fixture(scope="module")
def report():
    return json.loads(output_on_eight_devices("-m", "tests.porting.eight_devices"))


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", CASES)
def test_each_device_has_its_part(name, axes, report):
    # A kernel of (16, 32) over four by two devices.
    expected = [16, 32] if name == "everywhere" else [4, 16]
    assert report[f"{name}, {axes} axes"] == [8, expected]
