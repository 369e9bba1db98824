"""Whether a torch layer can be the counterpart of another framework's, and what that takes.

Kinds must be equal but for the number of dimensions of a normalization, a cell and the layer that
runs it, a Linear and a convolution of one element. What one side does not know (kind None, a class
of the user's own) may be anything with parameters of the same shapes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from fanwise.layers import Layer, View, family
from fanwise.layers.view import SAME
from fanwise.porting.matching.recast import recast

__all__ = ["Fit", "fit", "same_form", "signature"]

Shape: TypeAlias = tuple[int, ...]
Names: TypeAlias = Mapping[str, tuple[str, View]]

# What only torch has: a count that is not carried; the keys and values that add_bias_kv adds,
# which are refused when weights are carried.
_TORCH_ONLY = frozenset({"num_batches_tracked", "bias_k", "bias_v"})

_SAME_FAMILY = {"SyncBatchNorm": "BatchNorm", "EmbeddingBag": "Embedding"}

# What parameters of a user's own class are called.
_MEANING = {
    **dict.fromkeys(("weight", "scale", "gamma", "g", "kernel", "embedding", "w", "a_2"), "weight"),
    **dict.fromkeys(("bias", "beta", "b", "shift", "offset", "b_2"), "bias"),
    **dict.fromkeys(("running_mean", "mean"), "running_mean"),
    **dict.fromkeys(("running_var", "var"), "running_var"),
}

# Those that a class of the user's own may stand for: their parameters have no orientation.
_PLAIN = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "PReLU", "Embedding")


@dataclass(frozen=True)
class Fit:
    """What it takes.

    Args:
        names: for each parameter of the one side the name that the other has for it, and how it
            is arranged there.
        is_flax: whether it is the other framework's layer that is told in torch's terms.
    """

    names: Names
    is_flax: bool = False

    def apply(self, torch: Layer, flax: Layer) -> tuple[Layer, Layer]:
        """Both layers with the same parameters under the same names."""
        if self.is_flax:
            return torch, recast(flax, torch, self.names)
        is_same = all(name == own and view == SAME for name, (own, view) in self.names.items())
        if is_same and torch.kind is not None:
            return torch, flax
        return recast(torch, flax, self.names), flax


def signature(layer: Layer) -> Any:
    """All that :func:`fit` asks of a layer."""
    told = {
        name: layer.hyperparameters.get(name)
        for name in ("num_heads", "in_channels", "groups", "bidirectional")
    }
    return (
        layer.kind,
        tuple(layer.parameters.items()),
        tuple(layer.buffers.items()),
        tuple(told.items()),
    )


def fit(torch: Layer, flax: Layer) -> Fit | str:
    """How two layers fit, or in words why they do not."""
    return _fit(signature(torch), signature(flax))


def same_form(torch: str | None, flax: str | None) -> bool:
    """Whether two kinds are the same but for shapes."""
    return torch is not None and flax is not None and _form(torch) == _form(flax)


def _form(kind: str) -> str:
    name = kind.removeprefix("Lazy")
    own = _SAME_FAMILY.get(name, name)
    # The number of dimensions of a normalization is no matter of its parameters.
    return family(own) if "Norm" in own else own


@lru_cache(maxsize=65536)
def _fit(torch: Any, flax: Any) -> Fit | str:
    torch_kind, flax_kind = torch[0], flax[0]
    torch_shapes = {**dict(torch[1]), **dict(torch[2])}
    flax_shapes = {**dict(flax[1]), **dict(flax[2])}
    if torch_kind is None or flax_kind is None:
        return _unknown(torch_kind, torch_shapes, flax_kind, flax_shapes)
    if (told := _told(dict(torch[3]), dict(flax[3]))) is not None:
        return told
    names: Names
    if _form(torch_kind) == _form(flax_kind):
        names = {name: (name, SAME) for name in flax_shapes}
    elif _cell(torch_kind) == _cell(flax_kind):
        names = _cell_names(torch_shapes, flax_shapes)
    elif {"Linear"} < {torch_kind, flax_kind} and "Conv" in f"{torch_kind}{flax_kind}":
        names = _one_element(torch_shapes, flax_shapes)
    else:
        return f"{torch_kind} is not {flax_kind}"
    return _checked(names, torch_shapes, flax_shapes)


def _told(torch: Mapping[str, Any], flax: Mapping[str, Any]) -> str | None:
    for name, words in (("num_heads", "heads"), ("groups", "groups")):
        if None not in (torch[name], flax[name]) and torch[name] != flax[name]:
            return f"{torch[name]} {words} in torch, {flax[name]} in Flax"
    if bool(torch["bidirectional"]) != bool(flax["bidirectional"]):
        return "one runs in both directions, the other in one"
    return None


def _checked(
    names: Names, torch_shapes: Mapping[str, Shape], flax_shapes: Mapping[str, Shape]
) -> Fit | str:
    missing = [
        name for name in flax_shapes if name not in names or names[name][0] not in torch_shapes
    ]
    if missing:
        return f"{', '.join(missing)} in Flax only"
    for name, (own, view) in names.items():
        try:
            wanted = view.shape(flax_shapes[name])
        except ValueError:
            wanted = flax_shapes[name]
        if wanted != torch_shapes[own]:
            return (
                f"{own} is {_text(torch_shapes[own])} in torch, {_text(flax_shapes[name])} in Flax"
            )
    used = {own for own, _ in names.values()}
    left = [name for name in torch_shapes if name not in used and name not in _TORCH_ONLY]
    return f"{', '.join(left)} in torch only" if left else Fit(names)


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def _cell(kind: str) -> str:
    return kind.removesuffix("Cell") if kind in ("RNNCell", "LSTMCell", "GRUCell") else kind


def _cell_names(torch_shapes: Mapping[str, Shape], flax_shapes: Mapping[str, Shape]) -> Names:
    own = {name.removesuffix("_l0"): name for name in torch_shapes}
    return {
        name: (own.get(name.removesuffix("_l0"), name.removesuffix("_l0")), SAME)
        for name in flax_shapes
    }


def _one_element(torch_shapes: Mapping[str, Shape], flax_shapes: Mapping[str, Shape]) -> Names:
    """A Linear is a convolution whose kernel has one element."""
    ones = " 1" * abs(len(torch_shapes["weight"]) - len(flax_shapes["weight"]))
    is_linear = len(torch_shapes["weight"]) == 2
    view = View(f"o i{ones} -> o i" if is_linear else f"o i -> o i{ones}")
    return {name: (name, view if name == "weight" else SAME) for name in flax_shapes}


def _unknown(
    torch_kind: str | None,
    torch_shapes: Mapping[str, Shape],
    flax_kind: str | None,
    flax_shapes: Mapping[str, Shape],
) -> Fit | str:
    """Where a side has a class of the user's own, or a bare parameter."""
    known = torch_kind or flax_kind
    if known is not None and not family(known).startswith(_PLAIN):
        return _bare_matrix(torch_kind, torch_shapes, flax_kind, flax_shapes)
    if torch_kind is not None:
        # The one that is known gives the names.
        found = _by_shape(torch_shapes, flax_shapes, _TORCH_ONLY)
        return found if isinstance(found, str) else Fit(found, is_flax=True)
    found = _by_shape(flax_shapes, torch_shapes)
    return found if isinstance(found, str) else Fit(found)


def _by_shape(
    wanted: Mapping[str, Shape], given: Mapping[str, Shape], optional: frozenset[str] = frozenset()
) -> Names | str:
    """For each parameter that is wanted the one that is given, by its name's meaning and shape."""
    wanted = {name: shape for name, shape in wanted.items() if name not in optional}
    if len(wanted) != len(given):
        return f"{', '.join(given)} against {', '.join(wanted)}"
    if len(wanted) == 1:
        ((name, shape),), ((own, other),) = wanted.items(), given.items()
        view = _ones(shape, other)
        return f"{_text(other)} against {_text(shape)}" if view is None else {name: (own, view)}
    by_meaning = {_MEANING.get(own, own): own for own in given}
    names = {name: by_meaning.get(_MEANING.get(name, name), "") for name in wanted}
    if sorted(names.values()) != sorted(given):
        return f"{', '.join(given)} against {', '.join(wanted)}"
    if any(wanted[name] != given[own] for name, own in names.items()):
        return "other shapes"
    return {name: (own, SAME) for name, own in names.items()}


def _ones(wanted: Shape, given: Shape) -> View | None:
    """The same elements but for axes of one, as (1, n, d) for (n, d)."""
    if wanted == given:
        return SAME
    if [size for size in wanted if size != 1] != [size for size in given if size != 1]:
        return None
    letters = iter("abcdefgh")
    left = " ".join("1" if size == 1 else next(letters) for size in wanted)
    letters = iter("abcdefgh")
    right = " ".join("1" if size == 1 else next(letters) for size in given)
    return View(f"{left} -> {right}")


def _bare_matrix(
    torch_kind: str | None,
    torch_shapes: Mapping[str, Shape],
    flax_kind: str | None,
    flax_shapes: Mapping[str, Shape],
) -> Fit | str:
    """A matrix by itself for a Linear without bias: only its shape tells which way it lies."""
    known, other = (torch_shapes, flax_shapes) if torch_kind else (flax_shapes, torch_shapes)
    if (torch_kind or flax_kind) != "Linear" or list(known) != ["weight"] or len(other) != 1:
        return f"{torch_kind or 'a class of its own'} is not {flax_kind or 'known'}"
    ((name, shape),) = other.items()
    rows, columns = known["weight"]
    if rows == columns or len(shape) != 2 or math.prod(shape) != rows * columns:
        return f"whether {name} {_text(shape)} is transposed is not told"
    if shape not in ((rows, columns), (columns, rows)):
        return f"{_text(shape)} against {_text((rows, columns))}"
    view = SAME if shape == (rows, columns) else View("o i -> i o")
    return Fit({"weight": (name, view)}, is_flax=torch_kind is not None)
