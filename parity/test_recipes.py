"""The comparison of the recipes, and that it notices what is wrong and where."""

import math
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import init

import fanwise as fw
from fanwise import recipes
from parity import recipes_networks as networks
from parity import recipes_published as published
from parity.recipes_exact import CASES, compare, differing
from parity.recipes_layers import layers_of
from parity.recipes_mup import PERCEPTRON
from parity.recipes_planted import PLANTED, base
from parity.recipes_recorded import asked
from parity.request import Request

BY_NAME = {str(case): case for case in CASES}


def test_every_recipe_agrees():
    found = compare()
    assert set(found) == set(recipes.__all__) - {"mup_learning_rates"}
    for recipe, (cases, lines) in found.items():
        assert lines == [], recipe
        assert len(cases) == len(set(cases)) >= 20, recipe


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_noticed_where_it_is(error):
    name, rule, wrong = PLANTED[error]
    case = BY_NAME[name]
    compared, found = differing(case, rule)
    expected = {path for path in compared if re.fullmatch(wrong, path)}
    assert expected
    assert set(found) == expected
    assert differing(case)[1] == {}


def test_the_last_request_stands():
    def build():
        layer = nn.Linear(4, 2)
        init.normal_(layer.weight, 0, 3)
        init.normal_(layer.weight, 0, 5)
        return layer

    _, found = asked(build)
    assert found["weight"].whole == Request("normal", (0, 5))
    assert found["bias"].whole.agrees(Request("uniform", (-0.5, 0.5)))


def test_a_row_is_told_from_the_table():
    def build(first):
        table = nn.Embedding(5, 3)
        init.zeros_(table.weight[2])
        if not first:
            init.normal_(table.weight)
        return table

    rows = {2: Request("constant", (0.0,))}
    assert asked(partial(build, True))[1]["weight"].rows == rows
    assert asked(partial(build, False))[1]["weight"].rows == {}


def test_a_truncated_normal_is_told_from_a_normal():
    def build():
        layer = nn.Linear(4, 2)
        init.trunc_normal_(layer.weight, std=0.5, a=-1, b=1)
        init.normal_(layer.bias, std=0.5)
        return layer

    _, found = asked(build)
    assert found["weight"].whole == Request("truncated normal", (0.0, 0.5, -1.0, 1.0))
    assert found["bias"].whole == Request("normal", (0.0, 0.5))


def test_what_is_not_understood_is_refused():
    def build(change):
        layer = nn.Linear(4, 2)
        with torch.no_grad():
            change(layer.weight)
        return layer

    for change in (lambda w: w.mul_(2), lambda w: w[:, 1].zero_(), lambda w: w[:1].zero_()):
        with pytest.raises(ValueError, match="weight"):
            asked(partial(build, change))


def test_networks_have_parameters_that_nobody_fills():
    _, found = asked(lambda: published.vit(networks.vit()))
    assert found["layer_scale"].whole == Request("nothing")
    assert found["cls_token"].whole == Request("normal", (0.0, 1e-6))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_tables_3_and_8_are_one_function_trained_alike(optimizer):
    """A factor moved from the multiplier into the weight moves the learning rate as the paper says.

    Table 8 multiplies the readout by 1/m. Taking that into the weights divides their std by m,
    their rate by m for Adam and by m**2 for SGD, and changes nothing else.
    """
    network, m = PERCEPTRON, 4.0
    layers = layers_of(network.build(64))
    rates = {
        own: fw.recipes.mup_learning_rates(base(network), optimizer=optimizer, table=own)
        for own in (3, 8)
    }
    for layer in layers:
        ratio = {name: rates[8](layer)[name] / rates[3](layer)[name] for name in layer.parameters}
        moved = {"adam": m, "sgd": m**2}[optimizer] if layer.path == "4" else 1.0
        assert ratio == {name: moved if name == "weight" else 1.0 for name in ratio}
    stds = [fw.recipes.mup(base(network), table=own)(layers[-1])["weight"].std for own in (3, 8)]
    assert math.isclose(stds[1] / stds[0], m, rel_tol=1e-12)
