"""GPT-2, BERT and ViT: the law of every parameter by formula, and no parameter but those."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import Normal, TruncatedNormal
from fanwise.layers import Derived, kind_of
from tests.recipes.laws import ONE, ZERO, agree, fits, laws, torch_linear
from tests.recipes.models import BERT, GPT2, ViT

TOKENS = jnp.zeros((1, 6), jnp.int32)
IMAGE = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)


def norm(path):
    return {f"{path}:weight": ONE, f"{path}:bias": ZERO}


def dense(path, weight):
    return {f"{path}:weight": weight, f"{path}:bias": ZERO}


def attention(path, weight, out):
    return {
        f"{path}:in_proj_weight": weight,
        f"{path}:in_proj_bias": ZERO,
        f"{path}:out_proj.weight": out,
        f"{path}:out_proj.bias": ZERO,
    }


def gpt2_laws(layers, std=0.02, mlp=None):
    plain, scaled = Normal(0.0, std), Normal(0.0, std / math.sqrt(2 * layers))
    expected = {"wte:weight": plain, "wpe:weight": plain, **norm("ln_f")}
    for index in range(layers):
        block = f"h_{index}"
        expected |= norm(f"{block}/ln_1") | norm(f"{block}/ln_2")
        expected |= attention(f"{block}/attn", plain, scaled)
        expected |= dense(f"{block}/c_fc", plain) | dense(f"{block}/c_proj", mlp or scaled)
    return expected


@pytest.mark.parametrize(("layers", "std"), [(1, 0.02), (2, 0.02), (5, 0.06)])
def test_gpt2(layers, std):
    found = laws(fw.linen.layers(GPT2(layers), TOKENS), fw.recipes.gpt2(layers, std=std))
    assert agree(found, gpt2_laws(layers, std)) == set()


def test_gpt2_without_its_projection_in_the_mlp():
    layers = fw.linen.layers(GPT2(2), TOKENS)
    found = laws(layers, fw.recipes.gpt2(2, residual=None))
    assert agree(found, gpt2_laws(2, mlp=Normal(0.0, 0.02))) == set()
    missing = {f"h_{index}/c_proj:weight" for index in range(2)}
    assert agree(found, gpt2_laws(2)) == missing


def test_gpt2_with_another_name_of_its_projection():
    layers = fw.linen.layers(GPT2(2), TOKENS)
    found = laws(layers, fw.recipes.gpt2(2, residual=r"h_1/c_proj"))
    assert agree(found, gpt2_laws(2)) == {"h_0/c_proj:weight"}


def test_gpt2_by_depth_in_the_variables(key):
    variables = fw.linen.init(GPT2(2), key, TOKENS, rule=fw.recipes.gpt2(2, std=0.5))
    block = variables["params"]["h_1"]
    plain, scaled = Normal(0.0, 0.5), Normal(0.0, 0.25)
    drawn = {
        "c_fc": (block["c_fc"]["kernel"], plain),
        "c_proj": (block["c_proj"]["kernel"], scaled),
        "query": (block["attn"]["query"]["kernel"], plain),
        "out": (block["attn"]["out"]["kernel"], scaled),
    }
    for name, (kernel, law) in drawn.items():
        assert fits(kernel, law), name
        assert not fits(kernel, scaled if law == plain else plain), name
    assert not np.any(block["attn"]["out"]["bias"])


def test_bert():
    weight = Normal(0.0, 0.03)
    tables = ("word_embeddings", "position_embeddings", "types")
    expected = {f"{name}:weight": weight for name in tables}
    expected |= norm("norm") | attention("attention", weight, weight) | dense("decoder", weight)
    found = laws(fw.linen.layers(BERT(), TOKENS), fw.recipes.bert(0.03))
    assert agree(found, expected) == set()


@pytest.mark.parametrize("row", [0, 7, 39, -1])
def test_bert_pads(row, key):
    rule = fw.recipes.bert(padding={"word_embeddings": row, r".*_embeddings": 3})
    variables = fw.linen.init(BERT(), key, TOKENS, rule=rule)
    padded = {"word_embeddings": row % 40, "position_embeddings": 3, "types": None}
    for name, zero in padded.items():
        table = np.asarray(variables["params"][name]["embedding"])
        empty = np.flatnonzero((table == 0).all(axis=1))
        assert empty.tolist() == ([] if zero is None else [zero])
        rest = np.delete(table, empty, axis=0)
        assert 0.01 < rest.std() < 0.03


def test_a_table_that_tells_of_its_padding():
    sizes = {"num_embeddings": 9, "embedding_dim": 4, "padding_idx": -2}
    layer = fw.Layer("words", "Embedding", sizes, {"weight": (9, 4)})
    for rule in (fw.recipes.bert(), fw.recipes.gpt2(3)):
        value = rule(layer)["weight"]
        assert isinstance(value, Derived)
        assert value.drawn == Normal(0.0, 0.02)
        assert str(value) == "Normal(0, 0.02), row 7 zero"
        made = np.asarray(value.compute(np.ones((9, 4), np.float32)))
        assert np.array_equal(made, np.where(np.arange(9)[:, None] == 7, 0, np.ones((9, 4))))


def vit_laws(std, token):
    weight = TruncatedNormal(0.0, std, -2.0, 2.0)
    return {
        ":cls_token": Normal(0.0, token),
        ":pos_embed": weight,
        ":layer_scale": None,
        **torch_linear("patches", 3 * 16),
        **norm("norm"),
        **attention("attention", weight, weight),
        **dense("head", weight),
    }


def test_vit():
    layers = fw.linen.layers(ViT(), IMAGE)
    assert agree(laws(layers, fw.recipes.vit()), vit_laws(0.02, 1e-6)) == set()
    found = laws(layers, fw.recipes.vit(0.5, 0.25))
    assert agree(found, vit_laws(0.5, 0.25)) == set()


def test_vit_by_other_names():
    layers = fw.linen.layers(ViT(), IMAGE)
    found = laws(layers, fw.recipes.vit(tokens="layer_scale", positions=None))
    expected = vit_laws(0.02, 1e-6)
    expected |= {":layer_scale": Normal(0.0, 1e-6), ":pos_embed": None, ":cls_token": None}
    assert agree(found, expected) == set()


def test_vit_finds_parameters_below_the_root():
    rule = fw.recipes.vit()
    below = fw.Layer("encoder/stem", None, parameters={"pos_embedding": (1, 4, 8)})
    other = fw.Layer("encoder/stem", None, parameters={"my_pos_embedding": (1, 4, 8)})
    assert rule(below) == {"pos_embedding": fw.trunc_normal(std=0.02)}
    assert rule(other) == {}


def test_vit_positions_may_be_an_embedding():
    rule = fw.recipes.vit()
    sizes = {"num_embeddings": 4, "embedding_dim": 8}
    positions = fw.Layer("pos_embed", "Embedding", sizes, {"weight": (4, 8)})
    others = fw.Layer("labels", "Embedding", sizes, {"weight": (4, 8)})
    assert rule(positions) == {"weight": fw.trunc_normal(std=0.02)}
    assert rule(others) == {"weight": Normal(0.0, 1.0)}


def test_vit_leaves_what_nobody_knows_as_the_model_has_it(key):
    x = jnp.zeros(IMAGE.shape, IMAGE.dtype)
    params = fw.linen.init(ViT(), key, x, rule=fw.recipes.vit())["params"]
    assert np.all(np.asarray(params["layer_scale"]) == 0.25)
    token = np.asarray(params["cls_token"])
    assert 0 < np.abs(token).max() < 1e-5
    assert 0.01 < np.asarray(params["pos_embed"]).std() < 0.03


@pytest.mark.parametrize(
    ("rule", "weight", "out"),
    [
        (fw.recipes.gpt2(2), fw.normal(std=0.02), fw.normal(std=0.01)),
        (fw.recipes.bert(), fw.normal(std=0.02), fw.normal(std=0.02)),
        (fw.recipes.vit(), fw.trunc_normal(std=0.02), fw.trunc_normal(std=0.02)),
    ],
    ids=["gpt2", "bert", "vit"],
)
def test_attention_of_three_widths(rule, weight, out):
    sizes = {"embed_dim": 8, "num_heads": 2, "kdim": 6, "vdim": 4}
    shapes = kind_of("MultiheadAttention").shapes(**sizes)
    answer = rule(fw.Layer("attn", "MultiheadAttention", sizes, shapes))
    assert answer == {
        **{f"{name}_proj_weight": weight for name in "qkv"},
        "in_proj_bias": fw.zeros(),
        "out_proj.weight": out,
        "out_proj.bias": fw.zeros(),
    }
