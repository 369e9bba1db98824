"""An nnx model of every kind of layer, what torch calls it, and what it starts as there."""

import jax
import jax.numpy as jnp
from flax import nnx

from fanwise.distributions import Constant, Normal, Triangular, Uniform
from tests.same_bits import differing

__all__ = ["KEY", "LAYERS", "UNKNOWN", "differ", "flat"]

KEY = jax.random.key(3)


def flat(model):
    """What every Variable holds, and arrays as they are, by path; keys as their words."""
    found = {}
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        value = leaf.get_raw_value() if isinstance(leaf, nnx.Variable) else leaf
        if isinstance(leaf, nnx.Variable) and leaf.get_metadata("ref"):
            value = value[...]
        is_key = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        found["/".join(map(str, path))] = jax.random.key_data(value) if is_key else value
    return found


def differ(ours, expected):
    return differing(flat(ours), flat(expected))


def symmetric(bound):
    return Uniform(-bound, bound)


def by_fan(fan):
    """torch's default for kernel and bias."""
    return {"kernel": symmetric(fan**-0.5), "bias": symmetric(fan**-0.5)}


ONE, ZERO = Constant(1.0), Constant(0.0)
AFFINE = {"scale": ONE, "bias": ZERO}
H = 5**-0.5
DRAWN, SUM = symmetric(H), Triangular(-2 * H, 2 * H)


def under(prefix, values):
    return {f"{prefix}/{name}": value for name, value in values.items()}


def attention(query, key, value, out, bias=True):
    kernels = {"query": query, "key": key, "value": value, "out": out}
    found = {f"{name}/kernel": symmetric(bound) for name, bound in kernels.items()}
    return found | ({f"{name}/bias": ZERO for name in kernels} if bias else {})


def gates(inputs, **biases):
    names = [f"{side}{gate}" for side in "ih" for gate in inputs]
    found = {f"{name.replace('if', 'if_')}/kernel": DRAWN for name in names}
    return found | {f"{name}/bias": value for name, value in biases.items()}


LSTM = gates("ifgo", hi=SUM, hf=SUM, hg=SUM, ho=SUM)
FUSED = {"dense_i/kernel": DRAWN, "dense_h/kernel": DRAWN}
OPTIMIZED = FUSED | {"dense_h/bias": SUM}
SIMPLE = FUSED | {"dense_i/bias": SUM}
GRU = FUSED | {
    # Of reset, update and new gate; the last has lost the hidden one.
    "dense_i/bias[0]": SUM,
    "dense_i/bias[1]": SUM,
    "dense_i/bias[2]": DRAWN,
}
XAVIER = (6 / (4 * 12)) ** 0.5

# What builds the model, torch's class, and what each array is drawn from.
LAYERS = {
    "Linear": (lambda rngs: nnx.Linear(12, 7, rngs=rngs), "Linear", by_fan(12)),
    "Linear without bias": (
        lambda rngs: nnx.Linear(12, 7, use_bias=False, rngs=rngs),
        "Linear",
        {"kernel": symmetric(12**-0.5)},
    ),
    "LinearGeneral": (
        lambda rngs: nnx.LinearGeneral((8, 12), (3, 5), axis=(-2, -1), rngs=rngs),
        "Linear",
        by_fan(96),
    ),
    "Conv 1d": (lambda rngs: nnx.Conv(12, 6, 3, rngs=rngs), "Conv1d", by_fan(36)),
    "Conv 2d, groups": (
        lambda rngs: nnx.Conv(12, 6, (3, 5), feature_group_count=3, rngs=rngs),
        "Conv2d",
        by_fan(4 * 15),
    ),
    "Conv 3d": (lambda rngs: nnx.Conv(12, 6, (2, 2, 2), rngs=rngs), "Conv3d", by_fan(96)),
    "ConvTranspose 1d": (
        lambda rngs: nnx.ConvTranspose(12, 6, 3, rngs=rngs),
        "ConvTranspose1d",
        by_fan(6 * 3),
    ),
    "ConvTranspose 2d, kernel transposed": (
        lambda rngs: nnx.ConvTranspose(12, 6, (3, 2), transpose_kernel=True, rngs=rngs),
        "ConvTranspose2d",
        by_fan(6 * 6),
    ),
    "Embed": (
        lambda rngs: nnx.Embed(50, 9, rngs=rngs),
        "Embedding",
        {"embedding": Normal(0.0, 1.0)},
    ),
    "BatchNorm": (
        lambda rngs: nnx.BatchNorm(6, rngs=rngs),
        "BatchNorm",
        AFFINE | {"mean": ZERO, "var": ONE},
    ),
    "LayerNorm": (lambda rngs: nnx.LayerNorm(6, rngs=rngs), "LayerNorm", AFFINE),
    "GroupNorm": (lambda rngs: nnx.GroupNorm(6, 3, rngs=rngs), "GroupNorm", AFFINE),
    "InstanceNorm": (lambda rngs: nnx.InstanceNorm(6, rngs=rngs), "InstanceNorm", AFFINE),
    "RMSNorm": (lambda rngs: nnx.RMSNorm(6, rngs=rngs), "RMSNorm", {"scale": ONE}),
    "PReLU": (lambda rngs: nnx.PReLU(), "PReLU", {"negative_slope": Constant(0.25)}),
    "PReLU of many": (
        lambda rngs: nnx.PReLU(jnp.full(4, 0.1)),
        "PReLU",
        {"negative_slope": Constant(0.25)},
    ),
    "attention": (
        lambda rngs: nnx.MultiHeadAttention(3, 12, decode=False, rngs=rngs),
        "MultiheadAttention",
        attention(XAVIER, XAVIER, XAVIER, 12**-0.5),
    ),
    "attention to other widths": (
        lambda rngs: nnx.MultiHeadAttention(
            3, 12, in_kv_features=8, use_bias=False, decode=False, rngs=rngs
        ),
        "MultiheadAttention",
        attention(0.5, (6 / 20) ** 0.5, (6 / 20) ** 0.5, 12**-0.5, bias=False),
    ),
    "LSTMCell": (lambda rngs: nnx.LSTMCell(3, 5, rngs=rngs), "LSTMCell", LSTM),
    "OptimizedLSTMCell": (
        lambda rngs: nnx.OptimizedLSTMCell(3, 5, rngs=rngs),
        "LSTMCell",
        OPTIMIZED,
    ),
    "GRUCell": (lambda rngs: nnx.GRUCell(3, 5, rngs=rngs), "GRUCell", GRU),
    "SimpleCell": (lambda rngs: nnx.SimpleCell(3, 5, rngs=rngs), "RNNCell", SIMPLE),
    "LSTM": (
        lambda rngs: nnx.RNN(nnx.LSTMCell(3, 5, rngs=rngs), rngs=rngs),
        "LSTM",
        under("cell", LSTM),
    ),
    "GRU": (
        lambda rngs: nnx.RNN(nnx.GRUCell(3, 5, rngs=rngs), rngs=rngs),
        "GRU",
        under("cell", GRU),
    ),
    "RNN": (
        lambda rngs: nnx.RNN(nnx.SimpleCell(3, 5, rngs=rngs), rngs=rngs),
        "RNN",
        under("cell", SIMPLE),
    ),
    "LSTM in both directions": (
        lambda rngs: nnx.Bidirectional(
            nnx.RNN(nnx.OptimizedLSTMCell(3, 5, rngs=rngs), rngs=rngs),
            nnx.RNN(nnx.OptimizedLSTMCell(3, 5, rngs=rngs), rngs=rngs),
            rngs=rngs,
        ),
        "LSTM",
        under("forward_rnn/cell", OPTIMIZED) | under("backward_rnn/cell", OPTIMIZED),
    ),
}

# What torch has no class for, and its arrays.
UNKNOWN = {
    "Einsum": (
        lambda rngs: nnx.Einsum("abc,cd->abd", (12, 4), (4,), rngs=rngs),
        {"kernel": (12, 4), "bias": (4,)},
    ),
    "LoRA": (
        lambda rngs: nnx.LoRA(12, 2, 7, rngs=rngs),
        {"lora_a": (12, 2), "lora_b": (2, 7)},
    ),
    "Conv 4d": (
        lambda rngs: nnx.Conv(4, 2, (2, 2, 2, 2), rngs=rngs),
        {"kernel": (2, 2, 2, 2, 4, 2), "bias": (2,)},
    ),
    "LinearGeneral over a batch": (
        lambda rngs: nnx.LinearGeneral(12, 3, batch_axis={0: 5}, rngs=rngs),
        {"kernel": (5, 12, 3), "bias": (5, 3)},
    ),
}
