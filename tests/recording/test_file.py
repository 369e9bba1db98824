"""Recipes come back from their files as they were, and damaged files do not come back at all."""

import json
import math
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import (
    Constant,
    Dirac,
    Eye,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.layers import Layer, Leaf, Piece, View
from fanwise.recording import Fill, Literal, Recipe, Recorded
from tests.recording.expressions import padded
from tests.recording.test_recipe import RECIPE

LAWS = [
    Normal(0.1, 1 / 3),
    Uniform(-0.1, math.pi),
    Triangular(-1.0, 2.0),
    TruncatedNormal(0.0, 0.02, -math.inf, 2.0),
    Constant(math.nan),
    Constant(-math.inf),
    Constant(1 + 2j),
    Constant(2**60 + 1),
    Eye(layout="OI..."),
    Dirac(2, layout="OI..."),
    Orthogonal(1.5, layout="IO"),
    Sparse(0.25, 0.5, layout="OI..."),
]

LAYER = Layer(
    "features/0",
    "Linear",
    {
        "in_features": 4,
        "kernel_size": (3, 3),
        "cutoffs": [5, 10],
        "eps": 1e-5,
        "bias": True,
        "device": None,
        "mode": "zeros",
        "extra": {"a": (1,)},
    },
    {"weight": (3, 4)},
    {"running": (3,)},
    index=2,
    count=5,
    source="torch.nn.Linear",
    lost=("bias_k",),
    leaves=(
        Leaf(
            "features.0.weight",
            "features.0.weight",
            (4, 3),
            np.dtype(jnp.bfloat16),
            (Piece("weight", View("o i -> i o", (("o", 3),), ("i",)), (0, 3), ((0, 4), (0, 3))),),
            ((0, 1),),
        ),
    ),
)


def back(recipe, folder):
    recipe.save(folder / "recipe.json")
    return Recipe.load(folder / "recipe.json")


def test_everything_comes_back(tmp_path):
    recipe = Recipe(RECIPE.tensors, (LAYER,), RECIPE.ties, ("a note",))
    loaded = back(recipe, tmp_path)
    assert loaded == recipe
    assert loaded.layers[0].leaves[0].dtype == np.dtype(jnp.bfloat16)
    assert isinstance(loaded.layers[0].hyperparameters["kernel_size"], tuple)
    assert isinstance(loaded.layers[0].hyperparameters["cutoffs"], list)
    assert str(loaded) == str(recipe)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_laws_come_back_exactly(law, tmp_path):
    recipe = Recipe({"weight": Recorded((4, 4), "float32", law)})
    assert repr(back(recipe, tmp_path)["weight"].value) == repr(law)


def test_numbers_come_back_to_the_bit(tmp_path):
    array = np.array([0.1, math.nan, math.inf, -0.0, 1e-45], np.float32)
    values = {"literal": Literal.of(array), "fill": Fill((3,), "float32", -math.inf)}
    recipe = Recipe({name: Recorded(v.shape, "float32", v) for name, v in values.items()})
    loaded = back(recipe, tmp_path)
    assert loaded["literal"].value.array.tobytes() == array.tobytes()
    assert loaded == recipe


def test_shared_draws_stay_shared(tmp_path):
    loaded = back(RECIPE, tmp_path)
    assert loaded["first"].value is loaded["copy"].value
    assert loaded["first"].value is loaded["norm"].value.operands[0]


def test_a_mask_takes_little_room(tmp_path):
    mask = Literal.of(np.tril(np.ones((500, 500), bool)))
    back(Recipe({"mask": Recorded((500, 500), "bool", mask)}), tmp_path)
    assert (tmp_path / "recipe.json").stat().st_size < 10_000


def test_read_without_torch(tmp_path):
    RECIPE.save(tmp_path / "recipe.json")
    code = (
        "import sys, jax\n"
        "from fanwise.recording import Recipe\n"
        "recipe = Recipe.load(sys.argv[1])\n"
        "recipe.draw('norm', jax.random.key(0))\n"
        "assert 'torch' not in sys.modules and 'flax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "recipe.json")], check=True)


def edited(tmp_path, change):
    RECIPE.save(tmp_path / "recipe.json")
    content = json.loads((tmp_path / "recipe.json").read_text())
    change(content)
    (tmp_path / "recipe.json").write_text(json.dumps(content))
    return tmp_path / "recipe.json"


def _spoil_operand(content):
    next(row for row in content["expressions"] if "of" in row)["of"][0] = 99


def _spoil_literal(content):
    (row,) = (row for row in content["expressions"] if "literal" in row)
    row["literal"] = row["literal"][:-8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), r"version 2, .*reads version 1"),
        (lambda c: c.update(format="else"), "is no recipe"),
        (lambda c: c.pop("tensors"), "damaged.*tensors"),
        (lambda c: c["tensors"]["plain"]["value"].update(law="Cauchy"), "damaged.*Cauchy"),
        (lambda c: c["tensors"]["first"].update(value=99), "damaged"),
        (_spoil_operand, "damaged.*later"),
        (lambda c: c["ties"].update(head="nothing"), "damaged.*nothing"),
        (_spoil_literal, "damaged"),
    ],
)
def test_damaged_files_are_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Recipe.load(edited(tmp_path, change))


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_other_files_are_refused(text, tmp_path):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(ValueError, match="is no recipe"):
        Recipe.load(tmp_path / "recipe.json")


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path):
    RECIPE.save(tmp_path / "recipe.json")
    layer = Layer("x", "Linear", {"activation": object()})
    with pytest.raises(TypeError, match="cannot be saved"):
        Recipe({}, (layer,)).save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == RECIPE
    assert [each.name for each in tmp_path.iterdir()] == ["recipe.json"]


def test_expressions_without_shared_parts_are_equal_too(tmp_path):
    recipe = Recipe({"a": Recorded((6, 4), "float32", padded())})
    assert back(recipe, tmp_path) == recipe
