"""Importing fanwise loads neither torch nor flax nor anything else that is not needed."""

import subprocess
import sys

import pytest

UNWANTED = ("torch", "flax", "scipy", "matplotlib", "equinox", "haiku")
CHECK = f"import sys; found = {set(UNWANTED)!r} & set(sys.modules); assert not found, found"


def run(statement: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", statement + CHECK], capture_output=True, text=True, check=False
    )


def test_import_loads_no_optional_package():
    done = run("import fanwise; ")
    assert done.returncode == 0, done.stderr


def test_drawing_loads_no_optional_package():
    done = run(
        "import jax, fanwise as fw; fw.kaiming_normal()(jax.random.key(0), (3, 4));"
        "fw.trunc_normal()(jax.random.key(0), (3,)); "
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["scipy", "flax"])
def test_the_check_can_fail(module):
    done = run(f"import {module}, fanwise; ")
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
    assert module in done.stderr.splitlines()[-1]
