"""The recipes on nnx: the same laws under the same names, parameters of no layer included."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import fanwise as fw
from fanwise.distributions import Normal, TruncatedNormal
from tests.recipes.laws import ONE, ZERO, agree, fits, laws, torch_linear


class Transformer(nnx.Module):
    """A class token, positions, attention, an MLP whose second layer adds to the stream."""

    def __init__(self, rngs):
        self.patches = nnx.Conv(3, 16, (4, 4), rngs=rngs)
        self.cls_token = nnx.Param(jnp.full((1, 1, 16), 0.5))
        self.pos_embed = nnx.Param(jnp.full((1, 5, 16), 0.5))
        self.attention = nnx.MultiHeadAttention(4, 16, rngs=rngs)
        self.norm = nnx.LayerNorm(16, rngs=rngs)
        self.c_fc = nnx.Linear(16, 64, rngs=rngs)
        self.c_proj = nnx.Linear(64, 16, rngs=rngs)


def expected(weight, projection, out):
    return {
        "attention:in_proj_weight": weight,
        "attention:in_proj_bias": ZERO,
        "attention:out_proj.weight": out,
        "attention:out_proj.bias": ZERO,
        "norm:weight": ONE,
        "norm:bias": ZERO,
        "c_fc:weight": weight,
        "c_fc:bias": ZERO,
        "c_proj:weight": projection,
        "c_proj:bias": ZERO,
        **torch_linear("patches", 48),
    }


def test_laws():
    layers = fw.nnx.layers(Transformer)
    truncated = TruncatedNormal(0.0, 0.02, -2.0, 2.0)
    bare = {":cls_token": Normal(0.0, 1e-6), ":pos_embed": truncated}
    found = laws(layers, fw.recipes.vit())
    assert agree(found, expected(truncated, truncated, truncated) | bare) == set()
    plain, scaled = Normal(0.0, 0.02), Normal(0.0, 0.01)
    found = laws(layers, fw.recipes.gpt2(2))
    alone = dict.fromkeys(bare)
    assert agree(found, expected(plain, scaled, scaled) | alone) == set()
    unscaled = laws(layers, fw.recipes.gpt2(2, residual=None))
    assert agree(unscaled, expected(plain, scaled, scaled) | alone) == {"c_proj:weight"}


def test_model(key):
    model = fw.nnx.init(Transformer, key, fw.recipes.gpt2(2, std=0.5))
    assert np.all(np.asarray(model.cls_token[...]) == 0.5)
    assert fits(model.c_proj.kernel[...], Normal(0.0, 0.25))
    assert not fits(model.c_proj.kernel[...], Normal(0.0, 0.5))
    token = fw.nnx.init(Transformer, key, fw.recipes.vit()).cls_token[...]
    assert 0 < float(jnp.abs(token).max()) < 1e-5
    assert isinstance(token, jax.Array)
