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


def test_signal_loads_no_optional_package():
    done = run("import fanwise as fw; assert fw.signal.trace; ")
    assert done.returncode == 0, done.stderr


def test_drawing_loads_no_optional_package():
    done = run(
        "import jax, fanwise as fw; fw.kaiming_normal()(jax.random.key(0), (3, 4));"
        "fw.trunc_normal()(jax.random.key(0), (3,)); "
    )
    assert done.returncode == 0, done.stderr


def test_recipes_are_read_and_drawn_without_torch(tmp_path):
    path = str(tmp_path / "recipe.json")
    recorded = "fw.port.Recipe({'w': Recorded((3,), 'float32', fw.distributions.Normal(0, 1))})"
    done = run(
        "import jax, sys, fanwise as fw; from fanwise.recording import Recorded;"
        f"{recorded}.save({path!r}); recipe = fw.port.Recipe.load({path!r});"
        "recipe.draw('w', jax.random.key(0)); assert fw.port.match and fw.port.check;"
        "assert 'torch' not in sys.modules and 'flax' not in sys.modules; sys.exit(7) #"
    )
    assert done.returncode == 7, done.stderr


def test_import_leaves_the_cores_alone():
    """The threads of numpy's linear algebra, once started, wait busily for more work."""
    done = without_linear_algebra("import fanwise as fw; assert fw.signal.trace")
    assert done.returncode == 0, done.stderr
    done = without_linear_algebra(
        "import fanwise.porting, fanwise, sys; fanwise.linen; sys.exit(0)"
    )
    assert done.returncode == 0, done.stderr


def test_linear_algebra_is_noticed():
    done = without_linear_algebra("import fanwise as fw; fw.gain_of(jax.nn.silu)")
    assert done.returncode == 1
    assert "linear algebra" in done.stderr.splitlines()[-1]


def without_linear_algebra(statement):
    forbidden = (
        "import jax, numpy\n"
        "def forbidden(*arguments): raise AssertionError('linear algebra')\n"
        "for name in numpy.linalg.__all__:\n"
        "    if not name.endswith('Error'): setattr(numpy.linalg, name, forbidden)\n"
    )
    return run(forbidden + statement + "; ")


@pytest.mark.parametrize("module", ["scipy", "flax"])
def test_the_check_can_fail(module):
    done = run(f"import {module}, fanwise; ")
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
    assert module in done.stderr.splitlines()[-1]
