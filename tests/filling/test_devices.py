"""Over up to eight devices: the same values, no communication, and each makes its share.

JAX fixes the number of CPU devices when it starts, so the program ``eight_devices.py`` runs in a
process of its own, once, and reports on every case.
"""

import json

import pytest

from tests.devices import output_on_eight_devices
from tests.filling.eight_devices import AXES, BESIDE, MESHES, PROGRAMS

# The position of the device, and the loop that splits a key: the same for any size.
CONSTANT = 4096


@pytest.fixture(scope="module")
def reports():
    return json.loads(output_on_eight_devices("-m", "tests.filling.eight_devices"))


@pytest.mark.parametrize(("count", "kind"), MESHES)
def test_values_under_jit(count, kind, reports):
    assert reports[f"{count} devices, {kind} axes"] == {}


@pytest.mark.parametrize("kind", AXES)
def test_values_eagerly(kind, reports):
    assert reports[f"eagerly, {kind} axes"] == {}


@pytest.mark.parametrize("name", BESIDE)
def test_arrays_of_one_device_beside_a_mesh(name, reports):
    assert set(reports[f"beside {name}"].values()) == {"{CpuDevice(id=0)}"}


def test_the_default_device_of_the_caller(reports):
    assert set(reports["another default device"].values()) == {"{CpuDevice(id=7)}"}


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
