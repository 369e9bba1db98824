"""Over up to eight devices: the same values, no communication, and each makes its share.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports on every case.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.filling.eight_devices import AXES, MESHES, PROGRAMS

ROOT = Path(__file__).parents[2]
# The position of the device, and the loop that splits a key: the same for any size.
CONSTANT = 4096


@pytest.fixture(scope="module")
def reports():
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=8",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.filling.eight_devices"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("count", "kind"), MESHES)
def test_values_under_jit(count, kind, reports):
    assert reports[f"{count} devices, {kind} axes"] == {}


@pytest.mark.parametrize("kind", AXES)
def test_values_eagerly(kind, reports):
    assert reports[f"eagerly, {kind} axes"] == {}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_device_makes_its_share_alone(name, reports):
    collectives, temporary, result, share = reports[name]
    assert collectives == []
    assert temporary <= CONSTANT
    assert result == share


def test_notices_other_values(reports):
    assert "normal 1; rows and columns" in reports["another key"]
    assert "constant 5; rows and columns" not in reports["another key"]


def test_notices_communication(reports):
    collectives, *_ = reports["communicates"]
    assert collectives == ["all-reduce"]


def test_notices_work_beyond_a_share(reports):
    _, temporary, _ = reports["makes more than its share"]
    assert temporary > CONSTANT
