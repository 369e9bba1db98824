"""fanwise's table of layers is torch's, and the comparison notices where it is not."""

import pytest
import torch
from torch import nn

from fanwise.layers import KINDS
from parity.kinds_cases import CASES, KindCase
from parity.kinds_compare import mismatches
from parity.kinds_planted import PLANTED
from parity.kinds_recorded import record
from parity.kinds_walk import classes, owners, unaccounted


def test_every_class_of_torch_with_parameters_is_known():
    assert unaccounted(KINDS) == []
    assert len(classes()) > 150


def test_a_class_that_is_not_known_is_noticed():
    (line,) = unaccounted([kind for kind in KINDS if kind != "Bilinear"])
    assert "Bilinear" in line


def test_classes_that_torch_adds_are_noticed():
    class New(nn.Module):
        def __init__(self, in_features):
            super().__init__()
            self.register_buffer("state", torch.zeros(in_features))

    class Odd(nn.Module):
        def __init__(self, something_else):
            super().__init__()

    walked = {"New": New, "Odd": Odd, "ReLU": nn.ReLU}
    odd, new = unaccounted(KINDS, walked)
    assert new == "torch.nn.New owns parameters"
    assert odd.startswith("Odd cannot be built")


def test_every_known_kind_is_examined():
    # In JAX one layer serves all numbers of dimensions.
    assert {case.kind for case in CASES} >= set(KINDS) - {"BatchNorm", "InstanceNorm"}
    owning, _ = owners(classes().items())
    assert {case.kind for case in CASES} >= set(owning)
    assert len(set(map(str, CASES))) == len(CASES)


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES}))
def test_the_table_is_torchs(kind, seed):
    cases = [case for case in CASES if case.kind == kind]
    assert [line for case in cases for line in mismatches(case, seed)] == []


@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_norm_of_any_rank(kind, rank, seed):
    for case in CASES:
        if case.kind == f"{kind}{rank}d":
            assert mismatches(case, seed, KINDS[kind]) == []


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.error)
def test_planted_errors_are_caught(planted, seed):
    assert mismatches(planted.case, seed) == []
    assert mismatches(planted.case, seed, planted.kind)


def test_draws_are_recorded_in_order_with_names_and_values():
    case = KindCase("MultiheadAttention", {"embed_dim": 4, "num_heads": 2})
    kept = record(case.build, 0)
    assert [draw.name for draw in kept.draws] == [
        "out_proj.weight",
        "out_proj.bias",
        "in_proj_weight",
    ]
    assert (kept.draws[1].values != 0).all()
    assert (kept.values["out_proj.bias"] == 0).all()
    assert (kept.draws[2].values == kept.values["in_proj_weight"]).all()


def test_copies_have_the_names_of_the_first():
    sizes = {"d_model": 4, "nhead": 1, "dim_feedforward": 3, "num_layers": 2}
    kept = record(KindCase("TransformerEncoder", sizes).build, 0)
    assert {draw.name.partition(".self")[0] for draw in kept.draws if "self" in draw.name} == {
        "layers.0"
    }


def test_torch_is_left_as_found():
    before = torch.randn, nn.Parameter.__deepcopy__, torch.get_rng_state()
    record(KindCase("orthogonal(Linear)", {"in_features": 4, "out_features": 2}).build, 0)
    assert (torch.randn, nn.Parameter.__deepcopy__) == before[:2]
    assert (torch.get_rng_state() == before[2]).all()
