"""What the package exports, that it is documented, and that nobody pays for it unasked."""

import inspect
import subprocess
import sys

import pytest

from fanwise import recipes

NAMES = {"bert", "dcgan", "gpt2", "mup", "mup_learning_rates", "resnet", "vgg", "vit"}


def test_names():
    assert set(recipes.__all__) == NAMES
    assert list(recipes.__all__) == sorted(recipes.__all__)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_sections(name):
    lines = inspect.getdoc(getattr(recipes, name)).splitlines()
    found = {line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")}
    arguments = inspect.signature(getattr(recipes, name)).parameters
    expected = {"Returns", "Example", "References"} | ({"Args", "Raises"} if arguments else set())
    assert expected <= found
    described = [line.split(":")[0].strip() for line in lines if line.startswith("    ")]
    assert set(arguments) <= set(described)


def test_loaded_when_first_used():
    check = (
        "import sys, fanwise; assert 'fanwise.recipes' not in sys.modules;"
        "fanwise.recipes.vgg; assert 'fanwise.recipes' in sys.modules;"
        "assert not {'flax', 'torch', 'equinox', 'haiku'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
