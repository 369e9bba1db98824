"""Every kind that Equinox's layers are claimed as, against torch's own layer."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

import fanwise
from fanwise.frameworks.equinox_tree import Tree
from parity.module_pairs import ModulePair, Spoil, unspoilt

__all__ = ["PAIRS", "mismatches"]

KEY = jax.random.key(0)
nn = eqx.nn


def _apply(module: Any, *inputs: Any) -> Any:
    return module(*inputs)


def _batch(module: Any, *inputs: Any) -> Any:
    """Of one example, for modules of torch's that need a batch."""
    return module(*(x[None] for x in inputs))[0]


def _pair(
    kind: str,
    module: Any,
    made: Any,
    *inputs: Any,
    call: Callable[..., Any] = _apply,
    run: Callable[..., Any] = _apply,
) -> ModulePair:
    tree = Tree.of(made)

    def replaced(arrays: Any, inputs: Any) -> Any:
        model = tree.replaced({path: jnp.asarray(array) for path, array in arrays.items()})
        return run(model, *inputs)

    return ModulePair(kind, module, fanwise.equinox.layers(made), inputs, call, replaced)


def _convolutions() -> Iterator[tuple[str, Callable[[], ModulePair]]]:
    field, image = (2, 3, 4), (6, 7, 5)
    options: dict[str, dict[str, Any]] = {
        "": {},
        ", groups": {"groups": 2},
        ", stride and padding": {"stride": 2, "padding": 1},
    }
    transposed = {", grouped and dilated": {"groups": 2, "dilation": 2, "stride": 3, "padding": 2}}
    for rank in (1, 2, 3):
        for name, own in (("Conv", options), ("ConvTranspose", options | transposed)):
            for label, kwargs in own.items():

                def make(
                    rank: int = rank, name: str = name, kwargs: dict[str, Any] = kwargs
                ) -> ModulePair:
                    kind = f"{name}{rank}d"
                    theirs = getattr(torch.nn, kind)(4, 6, field[:rank], **kwargs)
                    ours = getattr(nn, kind)(4, 6, field[:rank], key=KEY, **kwargs)
                    return _pair(kind, theirs, ours, (4, *image[:rank]))

                yield f"{name}{rank}d{label}", make


def _lstm() -> ModulePair:
    return _pair(
        "LSTMCell",
        torch.nn.LSTMCell(3, 5),
        nn.LSTMCell(3, 5, key=KEY),
        (3,),
        (5,),
        (5,),
        call=lambda module, x, h, c: torch.cat(module(x, (h, c))),
        run=lambda module, x, h, c: jnp.concatenate(module(x, (h, c))),
    )


def _gru() -> ModulePair:
    return _pair("GRUCell", torch.nn.GRUCell(3, 5), nn.GRUCell(3, 5, key=KEY), (3,), (5,))


def _attention(has_bias: bool, **widths: int) -> ModulePair:
    theirs = torch.nn.MultiheadAttention(
        8, 2, bias=has_bias, kdim=widths.get("key_size"), vdim=widths.get("value_size")
    )
    names = ("query", "key", "value", "output")
    flags = {f"use_{name}_bias": has_bias for name in names}
    ours = nn.MultiheadAttention(2, 8, key=KEY, **flags, **widths)
    shapes = ((4, 8), (5, widths.get("key_size", 8)), (5, widths.get("value_size", 8)))
    return _pair("MultiheadAttention", theirs, ours, *shapes, call=lambda module, *x: module(*x)[0])


def _batch_norm() -> ModulePair:
    def run(made: Any, x: Any) -> Any:
        model, state = made
        return jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(x, state)[
            0
        ]

    made = nn.make_with_state(nn.BatchNorm)(3, "batch", mode="batch")
    return _pair("BatchNorm", torch.nn.BatchNorm2d(3), made, (4, 3, 5, 6), run=run)


def _weight_norm(kind: str, axis: int, *shape: int) -> ModulePair:
    field = () if kind == "Linear" else (3,)
    theirs = weight_norm(getattr(torch.nn, kind)(4, 6, *field))
    ours = nn.WeightNorm(getattr(nn, kind)(4, 6, *field, key=KEY), axis=axis)
    return _pair(f"weight_norm({kind})", theirs, ours, shape)


def _spectral_norm(kind: str, *shape: int) -> ModulePair:
    """In inference, by the two vectors that torch keeps."""
    field = () if kind == "Linear" else (3,)
    theirs = spectral_norm(getattr(torch.nn, kind)(4, 6, *field)).eval()
    made = nn.make_with_state(
        lambda: nn.SpectralNorm(getattr(nn, kind)(4, 6, *field, key=KEY), "weight", key=KEY)
    )()
    return _pair(
        f"spectral_norm({kind})",
        theirs,
        made,
        shape,
        run=lambda made, x: made[0](x, made[1], inference=True)[0],
    )


def _shared() -> ModulePair:
    """Of the Linear only the bias is its own."""
    embedding, linear = nn.Embedding(7, 4, key=KEY), nn.Linear(4, 7, key=KEY)
    shared = nn.Shared(
        (embedding, linear), lambda pair: pair[1].weight, lambda pair: pair[0].weight
    )
    theirs = torch.nn.Embedding(7, 4)

    def run(model: Any, index: Any) -> Any:
        _, head = model()
        return head.weight[index]

    return _pair("Embedding", theirs, _without_bias(shared), np.asarray(2), run=run)


def _without_bias(shared: Any) -> Any:
    return eqx.tree_at(lambda each: each.pytree[1].bias, shared, None)


PAIRS: dict[str, Callable[[], ModulePair]] = {
    "Linear": lambda: _pair("Linear", torch.nn.Linear(4, 3), nn.Linear(4, 3, key=KEY), (4,)),
    "Linear of scalars": lambda: _pair(
        "Linear",
        torch.nn.Linear(1, 1),
        nn.Linear("scalar", "scalar", key=KEY),
        (),
        call=lambda module, x: module(x[None])[0],
    ),
    **dict(_convolutions()),
    "Embedding": lambda: _pair(
        "Embedding", torch.nn.Embedding(7, 4), nn.Embedding(7, 4, key=KEY), np.asarray(2)
    ),
    "Embedding, shared": _shared,
    "LayerNorm": lambda: _pair(
        "LayerNorm", torch.nn.LayerNorm((3, 4)), nn.LayerNorm((3, 4)), (3, 4)
    ),
    "RMSNorm": lambda: _pair(
        "RMSNorm", torch.nn.RMSNorm(4, eps=1e-5), nn.RMSNorm(4, eps=1e-5), (4,)
    ),
    "GroupNorm": lambda: _pair(
        "GroupNorm", torch.nn.GroupNorm(2, 6), nn.GroupNorm(2, 6), (6, 5), call=_batch
    ),
    "BatchNorm": _batch_norm,
    "PReLU": lambda: _pair("PReLU", torch.nn.PReLU(), nn.PReLU(), (5,)),
    "PReLU of each channel": lambda: _pair(
        "PReLU", torch.nn.PReLU(3), nn.PReLU(jnp.full((3, 1), 0.25)), (3, 5), call=_batch
    ),
    "LSTMCell": _lstm,
    "GRUCell": _gru,
    "MultiheadAttention": lambda: _attention(has_bias=True),
    "MultiheadAttention without bias": lambda: _attention(has_bias=False),
    "MultiheadAttention, widths differ": lambda: _attention(
        has_bias=True, key_size=6, value_size=7
    ),
    "weight_norm(Linear)": lambda: _weight_norm("Linear", 0, 4),
    "weight_norm(Conv1d)": lambda: _weight_norm("Conv1d", 0, 4, 6),
    "weight_norm(ConvTranspose1d)": lambda: _weight_norm("ConvTranspose1d", 1, 4, 6),
    "spectral_norm(Linear)": lambda: _spectral_norm("Linear", 4),
    "spectral_norm(Conv1d)": lambda: _spectral_norm("Conv1d", 4, 6),
    "spectral_norm(ConvTranspose1d)": lambda: _spectral_norm("ConvTranspose1d", 4, 6),
}


def mismatches(spoil: Spoil = unspoilt) -> dict[str, list[str]]:
    """By layer what is wrong, one line each; ``spoil`` plants an error in each Layer."""
    return {name: make().mismatches(spoil) for name, make in PAIRS.items()}
