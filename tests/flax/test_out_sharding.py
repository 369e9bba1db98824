"""A parameter drawn over eight devices: laid out as asked, equal to the one drawn on one device.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports a verdict per case; here every verdict is one test.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flax.eight_devices import CASES

PROGRAM = Path(__file__).with_name("eight_devices.py")


@pytest.fixture(scope="module")
def verdicts():
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=8",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_sharded_over_eight_devices(name, verdicts):
    assert verdicts[name] == "as asked, and the same bits"


def test_the_comparison_can_fail(verdicts):
    """The program also hands in a wrong layout and a wrong value, to be told so."""
    assert "sharding" in verdicts["planted: another layout"]
    assert "differ" in verdicts["planted: another key"]
