"""Over eight devices each has its part of the weights and nothing more.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports on every case.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.porting.eight_devices import AXES, CASES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report():
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=8",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.porting.eight_devices"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", CASES)
def test_each_device_has_its_part(name, axes, report):
    # A kernel of (16, 32) over four by two devices.
    expected = [16, 32] if name == "everywhere" else [4, 16]
    assert report[f"{name}, {axes} axes"] == [8, expected]
