"""What torch's modules are: their class, their constructor's arguments, and names of arrays.

Only attributes and shapes are read, so that fake and meta tensors do, and no parametrization is
computed.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn
from torch.nn.utils import parametrizations, parametrize

from fanwise.layers import KINDS, View, kind_of
from fanwise.layers.view import SAME

__all__ = ["Known", "known"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

# Made of other layers, which are listed instead.
_COMPOSITE = frozenset(name for name in KINDS if name.startswith("Transformer"))

_ORIGINAL = "parametrizations.weight."

# What each reparametrization is called in torch, and what its arrays were called before there
# were parametrizations, by what they are called now.
_AROUND: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "weight_norm": (
        "_WeightNorm",
        {f"{_ORIGINAL}original0": "weight_g", f"{_ORIGINAL}original1": "weight_v"},
    ),
    "spectral_norm": (
        "_SpectralNorm",
        {
            f"{_ORIGINAL}original": "weight_orig",
            f"{_ORIGINAL}0._u": "weight_u",
            f"{_ORIGINAL}0._v": "weight_v",
        },
    ),
    "orthogonal": ("_Orthogonal", {}),
}


@dataclass(frozen=True)
class Known:
    """A module that is one of torch's layers.

    Args:
        kind: torch's class, or one in ``weight_norm(...)`` and the like.
        hyperparameters: arguments of its constructor.
        names: what each of the kind's parameters and buffers is called in this module.
        views: how the module stores those that are not as the kind has them.
    """

    kind: str
    hyperparameters: Mapping[str, Any]
    names: Mapping[str, str]
    views: Mapping[str, View]

    @property
    def shapes(self) -> Shapes:
        """Of the kind's parameters and buffers, as the module stores them, by its own names."""
        kind = kind_of(self.kind)
        shapes = {**kind.shapes(**self.hyperparameters), **kind.buffers(**self.hyperparameters)}
        return {
            self.names[name]: self.views.get(name, SAME).shape(shape)
            for name, shape in shapes.items()
        }


def known(module: nn.Module, have: Callable[[], Shapes]) -> Known | None:
    """What a module is, if it is a layer of torch.nn, or of a class derived from one.

    Args:
        module: any module.
        have: gives the shapes of the parameters and buffers in it, by name.

    Returns:
        None for a module that is none, or that has not the arrays of what it is derived from.
    """
    cls = _layer_class(type(module))
    if cls is not None:
        shapes = have()
        found = _torch_layer(module, cls, shapes)
    elif _is_conv1d(module):
        shapes = have()
        found = _conv1d(shapes)
    else:
        return None
    if found is None:
        return None
    fits = all(shapes.get(name) == shape for name, shape in found.shapes.items())
    return found if fits else None


def _layer_class(cls: type[nn.Module]) -> type[nn.Module] | None:
    for base in cls.__mro__:
        if base.__module__.startswith("torch.nn.modules.") and base.__name__ in KINDS:
            return None if base.__name__ in _COMPOSITE else base
    return None


def _torch_layer(module: nn.Module, cls: type[nn.Module], shapes: Shapes) -> Known | None:
    outer, names = _around(module, shapes)
    kind = kind_of(f"{outer}({cls.__name__})" if outer else cls.__name__)
    try:
        arguments = _arguments(module, cls, shapes)
        own = {**kind.shapes(**arguments), **kind.buffers(**arguments)}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # a derived class that took another way to be constructed
    return Known(kind.name, arguments, {name: names.get(name, name) for name in own}, {})


def _around(module: nn.Module, shapes: Shapes) -> tuple[str, Mapping[str, str]]:
    """The one reparametrization of the weight, and what it calls its arrays."""
    if parametrize.is_parametrized(module):
        made: Any = module.parametrizations
        if list(made) == ["weight"] and len(made["weight"]) == 1:
            for outer, (name, _) in _AROUND.items():
                if isinstance(made["weight"][0], getattr(parametrizations, name)):
                    return outer, {}
        return "", {}
    for outer, (_, old) in _AROUND.items():
        if old and set(old.values()) <= set(shapes):
            return outer, old
    return "", {}


def _arguments(module: nn.Module, cls: type[nn.Module], shapes: Shapes) -> dict[str, Any]:
    """Those of the constructor, as far as the module keeps them and JSON has them."""
    kept = vars(module)
    found = {
        name: kept[name] for name in _argument_names(cls) if name in kept and _is_plain(kept[name])
    }
    return found | {
        name: value(module, shapes) for name, value in _DERIVED.get(cls.__name__, _BIAS).items()
    }


def _argument_names(cls: type[nn.Module]) -> tuple[str, ...]:
    names = list(inspect.signature(cls).parameters)
    if issubclass(cls, nn.RNNBase) and cls is not nn.RNNBase:
        # Their own signature is (*args, **kwargs).
        names = [n for n in inspect.signature(nn.RNNBase).parameters if n != "mode"]
        names += ["nonlinearity"] if cls is nn.RNN else []
    return tuple(name for name in names if not name.startswith("_"))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def _has(name: str) -> Callable[[Any, Shapes], bool]:
    return lambda module, shapes: name in shapes


def _has_bias(module: Any, shapes: Shapes) -> bool:
    """Without a weight the argument is not told, nor does it matter."""
    return "bias" in shapes or "weight" not in shapes


Derived: TypeAlias = Mapping[str, Callable[[Any, Shapes], Any]]


def _each(names: Iterable[str], derived: Derived) -> dict[str, Derived]:
    return dict.fromkeys(names, derived)


# Arguments that a module does not keep under their name.
_BIAS: Derived = {"bias": _has("bias")}
_CELL: Derived = {"bias": _has("bias_ih")}
_DERIVED: Mapping[str, Derived] = {
    **_each([name for name in KINDS if "Norm" in name], {"bias": _has_bias}),
    **_each(["Embedding", "EmbeddingBag", "PReLU", "RMSNorm"], {}),
    **_each(["RNN", "LSTM", "GRU", "RNNBase"], {"bias": _has("bias_ih_l0")}),
    **_each(["RNNCell", "LSTMCell", "GRUCell"], _CELL),
    "RNNCellBase": {
        **_CELL,
        "num_chunks": lambda module, shapes: shapes["weight_hh"][0] // module.hidden_size,
    },
    "MultiheadAttention": {"bias": _has("in_proj_bias"), "add_bias_kv": _has("bias_k")},
    "AdaptiveLogSoftmaxWithLoss": {
        # The module adds the number of classes at the end.
        "cutoffs": lambda module, shapes: tuple(module.cutoffs[:-1]),
        "head_bias": _has("head.bias"),
    },
    "LinearCrossEntropyLoss": {
        "in_features": lambda module, shapes: shapes["linear.weight"][1],
        "bias": _has("linear.bias"),
    },
}


def _is_conv1d(module: nn.Module) -> bool:
    """Hugging Face's Linear of GPT, which stores (in, out)."""
    return type(module).__name__ == "Conv1D" and isinstance(vars(module).get("nf"), int)


def _conv1d(shapes: Shapes) -> Known | None:
    if len(shapes.get("weight", ())) != 2:
        return None
    inputs, outputs = shapes["weight"]
    arguments = {"in_features": inputs, "out_features": outputs, "bias": "bias" in shapes}
    names = {name: name for name in ("weight", "bias") if name in shapes}
    return Known("Linear", arguments, names, {"weight": View("o i -> i o")})
