"""Every kind that Haiku's layers are claimed as, against torch's own layer.

torch has channels first and Haiku has them last, if not told otherwise. Where Haiku's layer
computes something else than torch's (see the Layer's ``lost``), it is compared for such parameters
as make them equal.
"""

from collections.abc import Callable, Iterator
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import torch

import fanwise
from fanwise.frameworks.haiku_modules import rebuilt
from parity.module_pairs import ModulePair, Spoil, unspoilt

__all__ = ["PAIRS", "mismatches"]

KEY = jax.random.key(0)


def _apply(module: Any, *inputs: Any) -> Any:
    return module(*inputs)


def _pair(
    kind: str,
    module: Any,
    function: Callable[..., Any],
    *shapes: Any,
    call: Callable[..., Any] = _apply,
    is_image: bool = False,
    **options: Any,
) -> ModulePair:
    """``is_image``: one example of torch's (channels, *image), channels last here."""
    transformed = hk.transform_with_state(function)

    def ours(inputs: Any) -> list[Any]:
        return [np.moveaxis(np.asarray(x), 0, -1) if is_image else np.asarray(x) for x in inputs]

    examples = [np.zeros(each, np.float32) if isinstance(each, tuple) else each for each in shapes]
    params, state = transformed.init(KEY, *ours(examples))

    def run(arrays: Any, inputs: Any) -> Any:
        made = rebuilt(
            {"params": params, "state": state},
            {path: jnp.asarray(array) for path, array in arrays.items()},
        )
        out, _ = transformed.apply(made["params"], made["state"], None, *ours(inputs))
        return np.moveaxis(np.asarray(out), -1, 0) if is_image else out

    layers = fanwise.haiku.layers(transformed, *ours(examples))
    return ModulePair(kind, module, layers, shapes, call, run, **options)


def _convolutions() -> Iterator[tuple[str, Callable[[], ModulePair]]]:
    field, image = (2, 3, 4), (6, 7, 5)
    for rank in (1, 2, 3):
        for label, groups, stride in (("", 1, 1), (", groups", 2, 1), (", stride", 1, 2)):

            def make(rank: int = rank, groups: int = groups, stride: int = stride) -> ModulePair:
                kind = f"Conv{rank}d"
                theirs = getattr(torch.nn, kind)(4, 6, field[:rank], stride, groups=groups)

                def function(x: Any) -> Any:
                    return getattr(hk, f"Conv{rank}D")(
                        6, field[:rank], stride, padding="VALID", feature_group_count=groups
                    )(x)

                return _pair(kind, theirs, function, (4, *image[:rank]), is_image=True)

            yield f"Conv{rank}D{label}", make
        for label, stride in (("", 1), (", stride", 2)):

            def make_transposed(rank: int = rank, stride: int = stride) -> ModulePair:
                kind = f"ConvTranspose{rank}d"
                theirs = getattr(torch.nn, kind)(4, 6, field[:rank], stride)

                def function(x: Any) -> Any:
                    return getattr(hk, f"Conv{rank}DTranspose")(
                        6, field[:rank], stride, padding="VALID"
                    )(x)

                return _pair(kind, theirs, function, (4, *image[:rank]), is_image=True)

            yield f"Conv{rank}DTranspose{label}", make_transposed


def _channels_first() -> ModulePair:
    def function(x: Any) -> Any:
        return hk.Conv2D(6, 3, padding="VALID", data_format="NCHW")(x)

    return _pair("Conv2d", torch.nn.Conv2d(4, 6, 3), function, (2, 4, 5, 6))


def _depthwise() -> ModulePair:
    def function(x: Any) -> Any:
        return hk.DepthwiseConv2D(2, (2, 3), padding="VALID")(x[None])[0]

    theirs = torch.nn.Conv2d(3, 6, (2, 3), groups=3)
    return _pair("Conv2d", theirs, function, (3, 5, 6), is_image=True)


def _embedding() -> ModulePair:
    module = torch.nn.Embedding(7, 4)
    return _pair("Embedding", module, lambda x: hk.Embed(7, 4)(x), np.asarray([3, 1]))


def _normalization(
    kind: str, theirs: Any, make: Callable[[], Any], *shape: int
) -> Callable[[], ModulePair]:
    """Of a batch, with channels first in torch."""

    def pair() -> ModulePair:
        def call(module: Any, x: Any) -> Any:
            return module(x[None])[0]

        return _pair(kind, theirs, lambda x: make()(x[None])[0], shape, call=call, is_image=True)

    return pair


def _batch_norm(is_training: bool) -> ModulePair:
    theirs = torch.nn.BatchNorm1d(3).train(is_training)

    def function(x: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):  # Haiku raises a float to an int
            return hk.BatchNorm(True, True, 0.9)(x, is_training or hk.running_init())

    def move_averages(parameters: dict[str, torch.Tensor]) -> None:
        theirs.running_mean += torch.tensor([0.5, -0.5, 1.0])
        theirs.running_var *= torch.tensor([2.0, 3.0, 0.5])

    return _pair("BatchNorm", theirs, function, (8, 3), prepare=move_averages)


def _attention(has_bias: bool, *widths: int) -> ModulePair:
    theirs = torch.nn.MultiheadAttention(
        8, 2, bias=has_bias, kdim=(widths or (8, 8))[0], vdim=(widths or (8, 8))[1]
    )

    def function(*x: Any) -> Any:
        w_init = hk.initializers.VarianceScaling()
        return hk.MultiHeadAttention(2, 4, w_init=w_init, with_bias=has_bias)(*x)

    key, value = widths or (8, 8)
    return _pair(
        "MultiheadAttention",
        theirs,
        function,
        (4, 8),
        (5, key),
        (5, value),
        call=lambda module, *x: module(*x)[0],
    )


def _lstm() -> ModulePair:
    """Haiku adds 1 to the forget gate, which torch's bias must do without."""

    def function(x: Any, h: Any, c: Any) -> Any:
        return jnp.concatenate(hk.LSTM(5)(x, hk.LSTMState(h, c))[1])

    def without_one(arrays: dict[Any, Any]) -> None:
        arrays["params", "lstm/linear", "b"][10:15] -= 1

    return _pair(
        "LSTMCell",
        torch.nn.LSTMCell(3, 5),
        function,
        (3,),
        (5,),
        (5,),
        call=lambda module, x, h, c: torch.cat(module(x, (h, c))),
        adjust=without_one,
    )


def _gru() -> ModulePair:
    """Equal where resetting before the product is resetting after it, as for a diagonal matrix,
    without the bias that Haiku does not have, and with the update gate turned round.
    """

    def diagonal(parameters: dict[str, torch.Tensor]) -> None:
        parameters["weight_hh"][10:] *= torch.eye(5)
        parameters["bias_hh"][10:] = 0

    def turned(arrays: dict[Any, Any]) -> None:
        for array in arrays.values():
            array[..., :5] *= -1

    return _pair(
        "GRUCell",
        torch.nn.GRUCell(3, 5),
        lambda x, h: hk.GRU(5)(x, h)[0],
        (3,),
        (5,),
        prepare=diagonal,
        adjust=turned,
    )


def _rnn(double_bias: bool) -> ModulePair:
    return _pair(
        "RNNCell",
        torch.nn.RNNCell(3, 5, nonlinearity="relu"),
        lambda x, h: hk.VanillaRNN(5, double_bias)(x, h)[0],
        (3,),
        (5,),
    )


_EXAMPLE = slice(1, None)

PAIRS: dict[str, Callable[[], ModulePair]] = {
    "Linear": lambda: _pair("Linear", torch.nn.Linear(4, 3), lambda x: hk.Linear(3)(x), (2, 4)),
    **dict(_convolutions()),
    "Conv2D, channels first": _channels_first,
    "DepthwiseConv2D": _depthwise,
    "Embed": _embedding,
    "LayerNorm": lambda: _pair(
        "LayerNorm", torch.nn.LayerNorm(4), lambda x: hk.LayerNorm(-1, True, True)(x), (2, 4)
    ),
    "LayerNorm of all axes": lambda: _pair(
        "LayerNorm",
        torch.nn.LayerNorm((3, 4)),
        lambda x: hk.LayerNorm(_EXAMPLE, True, True, param_axis=_EXAMPLE)(x),
        (2, 3, 4),
    ),
    "LayerNorm of all axes, by channel": _normalization(
        "GroupNorm", torch.nn.GroupNorm(1, 4), lambda: hk.LayerNorm(_EXAMPLE, True, True), 4, 5, 6
    ),
    "RMSNorm": lambda: _pair(
        "RMSNorm", torch.nn.RMSNorm(4, eps=1e-5), lambda x: hk.RMSNorm(-1)(x), (2, 4)
    ),
    "InstanceNorm": _normalization(
        "InstanceNorm",
        torch.nn.InstanceNorm2d(4, affine=True),
        lambda: hk.InstanceNorm(True, True),
        *(4, 5, 6),
    ),
    "GroupNorm": _normalization(
        "GroupNorm", torch.nn.GroupNorm(2, 4), lambda: hk.GroupNorm(2), 4, 5, 6
    ),
    "BatchNorm": lambda: _batch_norm(is_training=True),
    "BatchNorm, by its averages": lambda: _batch_norm(is_training=False),
    "MultiHeadAttention": lambda: _attention(True),
    "MultiHeadAttention without bias": lambda: _attention(False),
    "MultiHeadAttention, widths differ": lambda: _attention(True, 6, 7),
    "LSTM": _lstm,
    "GRU": _gru,
    "VanillaRNN": lambda: _rnn(double_bias=True),
    "VanillaRNN of one bias": lambda: _rnn(double_bias=False),
}


def mismatches(spoil: Spoil = unspoilt) -> dict[str, list[str]]:
    """By layer what is wrong, one line each; ``spoil`` plants an error in each Layer."""
    return {name: make().mismatches(spoil) for name, make in PAIRS.items()}
