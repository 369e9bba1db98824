"""torch's models matched with linen's and nnx's: the examples, tied weights, Hugging Face's."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen, nnx
from torch import nn

import fanwise as fw
from examples.models.families import FAMILIES
from examples.models.family import Family
from fanwise.layers import Layer
from fanwise.porting import Correspondence
from parity import models_torch
from parity.models_linen import INPUTS
from parity.models_linen import MODELS as LINEN
from parity.models_nnx import MODELS as NNX


def _flax(family: Family, framework: str) -> list[Layer]:
    if framework == "linen":
        return fw.linen.layers(family.linen(), *family.inputs(np.random.default_rng(0)))
    return fw.nnx.layers(lambda rngs: family.nnx(rngs=rngs))


def _pairs(found: Correspondence) -> dict[str, str]:
    return {
        str(leaf.path): "/".join(map(str, pair.flax.leaves[0].path))
        for pair in found.pairs
        for leaf in pair.torch.leaves
    }


@pytest.mark.parametrize("framework", ["linen", "nnx"])
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_example_matches(family: Family, framework: str) -> None:
    theirs = _flax(family, framework)
    names = family.names if framework == "linen" else family.nnx_names
    module = family.torch()
    found = fw.port.match(module, theirs, names=names, flatten=family.flatten)
    # One to one: every array of either side once, whole or in parts that do not overlap.
    ours = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    carried = {leaf.path for pair in found.pairs for leaf in pair.torch.leaves}
    unused = {leaf.path for layer in found.unused for leaf in layer.leaves}
    assert carried | unused == set(ours)
    assert sorted(map(str, (leaf.name for pair in found.pairs for leaf in pair.flax.leaves))) == (
        sorted(str(leaf.name) for layer in theirs for leaf in layer.leaves)
    )
    for pair in found.pairs:
        assert set(pair.flax.shapes) <= set(pair.torch.shapes)
        for name, shape in pair.flax.shapes.items():
            assert tuple(pair.torch.shapes[name]) == tuple(shape)
    assert len(str(found).splitlines()) > len(found.pairs)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.flatten], ids=str)
def test_examples_with_a_flattened_map_need_it_stated(family: Family) -> None:
    for framework in ("linen", "nnx"):
        with pytest.raises(ValueError, match="flatten="):
            fw.port.match(family.torch(), _flax(family, framework), names=family.names)


@pytest.mark.parametrize("name", LINEN)
def test_models_with_the_same_names(name: str) -> None:
    module = getattr(models_torch, name)()
    for theirs in (fw.linen.layers(LINEN[name](), INPUTS[name]), fw.nnx.layers(NNX[name])):
        found = fw.port.match(module, theirs)
        assert {pair.reason for pair in found.pairs} == {"name"}
        for pair in found.pairs:
            assert pair.torch.path == pair.flax.path


class _Tied(nn.Module):
    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.wte = nn.Embedding(7, 3)
        self.lm_head = nn.Linear(3, 7, bias=bias)
        self.lm_head.weight = self.wte.weight


class _Untied(linen.Module):
    bias: bool = False

    @linen.compact
    def __call__(self, words: Any) -> Any:
        table = linen.Embed(7, 3, name="wte")
        return linen.Dense(7, use_bias=self.bias, name="out")(table(words))


class _Attending(linen.Module):
    bias: bool = False

    @linen.compact
    def __call__(self, words: Any) -> Any:
        table = linen.Embed(7, 3, name="wte")
        logits = table.attend(table(words))
        if self.bias:
            logits += self.param("lm_head_bias", linen.initializers.zeros, (7,))
        return logits


_WORDS = jax.ShapeDtypeStruct((2, 5), jnp.int32)


@pytest.mark.parametrize("source", [lambda module: module, fw.torch.layers], ids=["live", "layers"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_tied_head_needs_no_layer(source: Callable[[Any], Any], bias: bool) -> None:
    found = fw.port.match(source(_Tied(bias)), fw.linen.layers(_Attending(bias), _WORDS))
    expected = {"wte.weight": "params/wte/embedding"}
    assert _pairs(found) == expected | ({"lm_head.bias": "params/lm_head_bias"} if bias else {})


def test_a_head_that_flax_does_not_tie_is_refused_unless_it_is_named() -> None:
    theirs = fw.linen.layers(_Untied(), _WORDS)
    with pytest.raises(ValueError, match=r"Embed\.attend") as raised:
        fw.port.match(_Tied(), theirs)
    names = eval(str(raised.value).rpartition("names=")[2])
    assert names == {"lm_head": "out"}
    found = fw.port.match(_Tied(), theirs, names=names)
    head = found.pairs[-1]
    assert (head.flax.path, head.reason) == ("out", "names=, tied to wte.weight")
    assert [leaf.path for leaf in head.torch.leaves] == ["wte.weight"]
    assert found.ties == {"lm_head.weight": "wte.weight"}
    assert "lm_head.weight is wte.weight" in str(found)
    module = _Tied()
    variables = fw.port.weights(module.state_dict(), found)
    kernel = variables["params"]["out"]["kernel"]
    assert np.array_equal(kernel, module.wte.weight.detach().numpy().T)


def test_a_head_that_torch_does_not_tie_is_missed() -> None:
    module = _Tied()
    module.lm_head.weight = nn.Parameter(module.wte.weight.detach().clone())
    with pytest.raises(ValueError, match=r"1 of torch's have no counterpart(.|\n)*lm_head"):
        fw.port.match(module, fw.linen.layers(_Attending(), _WORDS))


def test_a_module_under_two_names_is_one_layer() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Embedding(7, 3)
            self.encoder = nn.ModuleDict({"embed_tokens": self.shared, "fc": nn.Linear(3, 3)})

    class Twin(nnx.Module):
        def __init__(self, rngs: nnx.Rngs, is_tied: bool) -> None:
            self.shared = nnx.Embed(7, 3, rngs=rngs)
            own = self.shared if is_tied else nnx.Embed(7, 3, rngs=rngs)
            self.encoder = nnx.Dict(embed_tokens=own, fc=nnx.Linear(3, 3, rngs=rngs))

    tied = fw.nnx.layers(lambda rngs: Twin(rngs, True))
    assert len(fw.port.match(Shared(), tied).pairs) == 2
    apart = fw.nnx.layers(lambda rngs: Twin(rngs, False))
    with pytest.raises(ValueError, match="names="):
        fw.port.match(Shared(), apart)
    names = {"encoder.embed_tokens": "encoder/embed_tokens"}
    found = fw.port.match(Shared(), apart, names=names)
    assert [pair.reason for pair in found.pairs].count("names=, tied to shared.weight") == 1


def test_a_recipe_is_as_good_as_the_module() -> None:
    family = FAMILIES[0]
    theirs = _flax(family, "linen")
    found = fw.port.match(fw.torch.record(family.torch), theirs, flatten=family.flatten)
    live = fw.port.match(family.torch(), theirs, flatten=family.flatten)
    assert _pairs(found) == _pairs(live)


def test_a_dense_over_a_map_tells_how_it_is_flattened() -> None:
    class Twin(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.Conv(6, (3, 3), padding=1)(x)
            return linen.DenseGeneral(5, axis=(-3, -2, -1))(x)

    module = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.Flatten(), nn.Linear(6 * 4 * 5, 5))
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype(np.float32)
    found = fw.port.match(module, fw.linen.layers(Twin(), x))
    variables = fw.port.weights(module.state_dict(), found)
    ours = Twin().apply(variables, x)
    theirs = module(torch.from_numpy(x.transpose(0, 3, 1, 2)))
    assert np.allclose(ours, theirs.detach().numpy(), atol=1e-5)


def test_hugging_faces_gpt2_stores_linears_transposed() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "vocab_size": 11, "n_positions": 6}
    module = GPT2LMHeadModel(GPT2Config(**sizes))

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            y = linen.LayerNorm(name="ln_1")(x)
            y = sum(linen.Dense(8, name=f"attn_{name}")(y) for name in ("query", "key", "value"))
            x = x + linen.Dense(8, name="attn_c_proj")(y)
            y = linen.Dense(32, name="mlp_c_fc")(linen.LayerNorm(name="ln_2")(x))
            return x + linen.Dense(8, name="mlp_c_proj")(y)

    class Twin(linen.Module):
        @linen.compact
        def __call__(self, words: Any) -> Any:
            table = linen.Embed(11, 8, name="wte")
            x = table(words) + linen.Embed(6, 8, name="wpe")(jnp.arange(words.shape[1]))
            for index in range(2):
                x = Block(name=f"h_{index}")(x)
            return table.attend(linen.LayerNorm(name="ln_f")(x))

    theirs = fw.linen.layers(Twin(), _WORDS)
    with pytest.raises(ValueError, match="packed in torch") as raised:
        fw.port.match(module, theirs)
    names = eval(str(raised.value).rpartition("names=")[2])
    found = fw.port.match(module, theirs, names=names)
    variables = fw.port.weights(module.state_dict(), found)
    packed = module.transformer.h[1].attn.c_attn.weight.detach().numpy()
    assert np.array_equal(variables["params"]["h_1"]["attn_key"]["kernel"], packed[:, 8:16])
    state = fw.port.state_dict(variables, found)
    assert np.array_equal(state["transformer.h.1.attn.c_attn.weight"], packed)


class _Decoder(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.Dense(6 * 2 * 3)(x).reshape(-1, 2, 3, 6)
        return linen.ConvTranspose(3, (2, 2), (2, 2), padding="VALID", transpose_kernel=True)(x)


@pytest.mark.parametrize("is_stated", [True, False])
def test_the_first_layer_of_a_decoder_computes_the_same_once_it_is_stated(is_stated: bool) -> None:
    module = nn.Sequential(
        nn.Linear(5, 6 * 2 * 3), nn.Unflatten(1, (6, 2, 3)), nn.ConvTranspose2d(6, 3, 2, 2)
    )
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    flatten = {"0": (6, 2, 3) if is_stated else None}
    found = fw.port.match(module, fw.linen.layers(_Decoder(), x), flatten=flatten)
    ours = _Decoder().apply(fw.port.weights(module.state_dict(), found), x)
    theirs = module(torch.from_numpy(x)).detach().numpy().transpose(0, 2, 3, 1)
    assert np.allclose(ours, theirs, atol=1e-5) == is_stated
