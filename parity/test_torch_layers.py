"""The layers that are found in torch modules: of every class, fake, tied, derived, wrapped."""

import copy
import json
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn.utils import parametrizations

from fanwise.frameworks import torch as fw_torch
from fanwise.frameworks.torch_layers import buffers_not_saved, ties
from fanwise.layers import KINDS, Layer, kind_of
from parity.kinds_cases import CASES, KindCase
from parity.kinds_walk import classes, owners


def _kinds(module: nn.Module) -> list[tuple[str, str | None]]:
    return [(layer.path, layer.kind) for layer in fw_torch.layers(module)]


def _names(module: nn.Module) -> set[str]:
    return {
        *(name for name, _ in module.named_parameters()),
        *(name for name, _ in module.named_buffers()),
    }


def _covered(module: nn.Module) -> list[str]:
    """What is wrong with the layers of a module: names left out, twice, or of other shapes."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    leaves = [leaf for layer in fw_torch.layers(module) for leaf in layer.leaves]
    seen = [leaf.path for leaf in leaves]
    lines = [f"{name} is left out" for name in tensors if name not in seen]
    lines += [f"{name} is there twice" for name in set(seen) if seen.count(name) > 1]
    return lines + [
        f"{leaf.path} has {leaf.shape}"
        for leaf in leaves
        if leaf.shape != tuple(tensors[str(leaf.path)].shape)
    ]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_is_found_with_its_arguments(case: KindCase) -> None:
    with warnings.catch_warnings(action="ignore"):  # of nested tensors, by Transformer
        module = nn.ModuleDict({"it": case.build()})
    assert _covered(module) == []
    found = fw_torch.layers(module)
    if case.kind.startswith("Transformer"):
        assert {layer.kind for layer in found} == {"MultiheadAttention", "Linear", "LayerNorm"}
        return
    expected = kind_of(case.kind)
    shapes = expected.shapes(**case.hyperparameters)
    shapes = {**shapes, **expected.buffers(**case.hyperparameters)}
    if not shapes:
        assert found == []
        return
    (layer,) = found
    assert layer.path == "it"
    # A lazy layer that knows its shapes is one of the class that it becomes.
    assert layer.kind == case.kind.removeprefix("Lazy")
    assert layer.shapes == shapes
    starts = [
        {name: str(value) for name, value in expected.default(**given).items()}
        for given in (layer.hyperparameters, case.hyperparameters)
    ]
    assert starts[0] == starts[1]


def test_every_class_of_torch_is_known_or_made_of_known_ones() -> None:
    owning, unknown = owners(classes().items())
    assert unknown == []
    assert set(owning) <= set(KINDS)
    assert {case.kind for case in CASES} >= set(owning)


def test_a_name_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LSTM(2, 3))
    assert _covered(module) == []
    all_but_one = fw_torch.layers(module)[1:]
    monkeypatch.setattr(fw_torch, "layers", lambda module: all_but_one)
    assert _covered(module) == ["0.weight is left out", "0.bias is left out"]


def test_order_is_that_of_definition_and_counts_it() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.z = nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.ones(3))
            self.a = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

    found = fw_torch.layers(Model())
    assert [layer.path for layer in found] == ["", "z", "a/0", "a/1"]
    assert [(layer.index, layer.count) for layer in found] == [(i, 4) for i in range(4)]
    assert found[0].parameters == {"scale": (3,)}
    assert found[0].source == "Model"


@pytest.mark.parametrize("where", ["meta", "fake"])
def test_tensors_without_memory_are_enough(where: str) -> None:
    def build() -> nn.Module:
        made = nn.Sequential(nn.Embedding(9, 4), nn.GRU(4, 5), nn.Linear(5, 9), nn.BatchNorm1d(9))
        made[2] = parametrizations.weight_norm(made[2])
        return made

    def shown(found: list[Layer]) -> list[str]:
        return [f"{layer} {layer.hyperparameters} {layer.leaves}" for layer in found]

    expected = shown(fw_torch.layers(build()))
    with FakeTensorMode() if where == "fake" else torch.device("meta"):
        module = build()
    assert shown(fw_torch.layers(module)) == expected


def test_lazy_layers_without_a_shape_are_named() -> None:
    module = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    with pytest.raises(ValueError, match=r"0\.weight, 0\.bias, 1\.weight.*call it once"):
        fw_torch.layers(module)
    module(torch.zeros(2, 4))
    assert _kinds(module) == [("0", "Linear"), ("1", "BatchNorm1d")]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"torch\.nn\.Module, got 3 of type int"):
        fw_torch.layers(3)  # type: ignore[arg-type]


def test_a_tied_head_is_listed_without_the_table() -> None:
    module = nn.ModuleDict({"table": nn.Embedding(7, 3), "head": nn.Linear(3, 7)})
    module["head"].weight = module["table"].weight
    table, head = fw_torch.layers(module)
    assert ties(module) == {"head.weight": "table.weight"}
    assert [leaf.path for leaf in table.leaves] == ["table.weight"]
    assert (head.kind, dict(head.parameters)) == ("Linear", {"bias": (7,)})
    assert head.hyperparameters["in_features"] == 3
    assert _covered(module) == []
    module["head"].weight = nn.Parameter(module["table"].weight.detach().clone())
    assert ties(module) == {}


def test_ties_of_memory_and_of_modules() -> None:
    one = nn.Linear(3, 3)
    module = nn.ModuleDict({"a": one, "b": nn.Linear(3, 3), "c": one})
    module["b"].weight.data = one.weight.data
    assert ties(module) == {"b.weight": "a.weight", "c.weight": "a.weight", "c.bias": "a.bias"}
    assert _kinds(module) == [("a", "Linear"), ("b", "Linear")]


def test_derived_classes_count_as_what_they_are_derived_from() -> None:
    class Same(nn.Linear):
        pass

    class More(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 3)
            self.lora = nn.Parameter(torch.zeros(2, 4))

    class Other(nn.Linear):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.weight = nn.Parameter(torch.zeros(2, 2, 2))

    module = nn.Sequential(Same(4, 3), More(), Other())
    assert _kinds(module) == [("0", "Linear"), ("1", "Linear"), ("1", None), ("2", None)]
    assert fw_torch.layers(module)[2].parameters == {"lora": (2, 4)}
    assert _covered(module) == []


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("layer", [nn.Linear(4, 3), nn.ConvTranspose2d(4, 3, 2)])
def test_old_reparametrizations_have_the_new_names(name: str, layer: nn.Module) -> None:
    new = nn.ModuleList([getattr(parametrizations, name)(copy.deepcopy(layer))])
    with warnings.catch_warnings(action="ignore"):
        given = {"dim": 1} if name == "spectral_norm" and "Transpose" in str(layer) else {}
        old = nn.ModuleList([getattr(nn.utils, name)(copy.deepcopy(layer), **given)])
    (ours,), (theirs,) = fw_torch.layers(old), fw_torch.layers(new)
    assert (ours.kind, ours.shapes) == (theirs.kind, theirs.shapes)
    assert ours.kind == f"{name}({type(layer).__name__})"
    assert _covered(old) == _covered(new) == []
    assert {leaf.path for leaf in ours.leaves} == _names(old)


def test_norms_along_other_axes_are_not_taken_for_the_usual_ones() -> None:
    module = parametrizations.weight_norm(nn.Linear(4, 3), dim=1)
    found = fw_torch.layers(module)
    assert {layer.kind for layer in found} == {None}
    assert _covered(module) == []


def test_hugging_face_stores_a_linear_transposed() -> None:
    from transformers.pytorch_utils import Conv1D

    (layer,) = fw_torch.layers(nn.ModuleList([Conv1D(6, 2)]))
    assert (layer.kind, layer.shapes) == ("Linear", {"weight": (6, 2), "bias": (6,)})
    weight = layer.leaves[0]
    assert weight.shape == (2, 6)
    assert weight.pieces[0].view.pattern == "o i -> i o"


def test_buffers_that_are_not_saved() -> None:
    module = nn.ModuleDict({"norm": nn.BatchNorm1d(3), "own": nn.Module()})
    module["own"].register_buffer("mask", torch.ones(2), persistent=False)
    module["own"].register_buffer("kept", torch.ones(2))
    assert buffers_not_saved(module) == {"own.mask"}
    assert fw_torch.layers(module)[1].buffers == {"mask": (2,), "kept": (2,)}


def test_arguments_are_what_json_has() -> None:
    module: Any = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding="same", padding_mode="circular"),
        nn.MultiheadAttention(4, 2, add_bias_kv=True),
        nn.Embedding(3, 4, padding_idx=1, max_norm=2.0),
        nn.LSTM(4, 3, num_layers=2, bidirectional=True, dropout=0.1),
        nn.RNN(4, 3, nonlinearity="relu"),
        nn.GroupNorm(2, 4, eps=1e-3, bias=False),
    )
    found = fw_torch.layers(module)
    assert [layer.kind for layer in found] == [type(each).__name__ for each in module]
    for layer in found:
        assert json.loads(json.dumps(layer.hyperparameters))
    by_kind = {layer.kind: layer.hyperparameters for layer in found}
    assert by_kind["Conv2d"]["padding_mode"] == "circular"
    assert by_kind["MultiheadAttention"]["add_bias_kv"] is True
    assert by_kind["Embedding"]["padding_idx"] == 1
    assert by_kind["RNN"]["nonlinearity"] == "relu"
    assert by_kind["GroupNorm"] == {
        "num_groups": 2,
        "num_channels": 4,
        "eps": 1e-3,
        "affine": True,
        "bias": False,
    }
