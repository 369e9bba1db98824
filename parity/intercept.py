"""What torch's own functions ask of their tensors, while their real code runs.

``torch.nn.init`` computes its fans, gains and bounds in Python and hands them to methods of the
tensor: ``uniform_``, ``normal_``, ``fill_``, ``zero_``. For the time of a recording these methods
are replaced on ``torch.Tensor``, so that every call is seen, from whichever module, on whichever
tensor. (A ``TorchFunctionMode`` would see less: under one, ``torch.nn.init.uniform_`` and
``kaiming_uniform_`` hand themselves over to the mode before they have computed anything.)

By default nothing is drawn. The tensors can then be views of a single element, and the shape of
any real weight costs no memory.
"""

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["DRAWS", "Call", "Recording", "hollow", "recording"]

DRAWS = {
    "uniform_": {"from": 0.0, "to": 1.0},
    "normal_": {"mean": 0.0, "std": 1.0},
    "fill_": {"value": None},
    "zero_": {},
}
"""The methods that fill a tensor, with the names and defaults of what they take."""

# What else tells of a truncated normal (its bounds as values of the tensor's dtype; its mean and
# std in the other of torch's two methods) and of the gain of an orthogonal matrix.
_ARITHMETIC = {
    "new_tensor": {"data": None},
    "sub_": {"other": None},
    "div_": {"other": None},
    "mul_": {"other": None},
}


@dataclass(frozen=True)
class Call:
    """One call of a tensor's method.

    Args:
        method: its name.
        arguments: what it was given, defaults filled in, without the generator.
        shape: the tensor's shape.
        tensor: the tensor itself.
    """

    method: str
    arguments: tuple[Any, ...]
    shape: tuple[int, ...]
    tensor: torch.Tensor = field(repr=False, compare=False)


@dataclass
class Recording:
    """All calls in their order, and the warnings that were given meanwhile."""

    calls: list[Call] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def of(self, *methods: str) -> list[Call]:
        """The calls of these methods."""
        return [call for call in self.calls if call.method in methods]

    @property
    def draws(self) -> list[Call]:
        """The calls that fill a tensor."""
        return self.of(*DRAWS)


@contextmanager
def recording(*, draw: bool = False) -> Iterator[Recording]:
    """Record what is asked of tensors in the body; torch is as it was afterwards, come what may.

    Args:
        draw: whether the tensors are filled as well. Needed for functions that look at the values
            they drew: ``trunc_normal_``, ``orthogonal_``, ``sparse_``.
    """
    kept = Recording()
    before = {name: vars(torch.Tensor).get(name) for name in DRAWS | _ARITHMETIC}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for name, defaults in (DRAWS | _ARITHMETIC).items():
                run = draw or name in _ARITHMETIC
                setattr(torch.Tensor, name, _recorder(kept, name, defaults, run))
            yield kept
        finally:
            for name, method in before.items():
                # The methods are inherited; an attribute of the class itself would hide them.
                if method is not None:
                    setattr(torch.Tensor, name, method)
                elif name in vars(torch.Tensor):
                    delattr(torch.Tensor, name)
            kept.warnings += [str(warning.message) for warning in caught]


def _recorder(
    kept: Recording, name: str, defaults: dict[str, Any], run: bool
) -> Callable[..., torch.Tensor]:
    original = getattr(torch.Tensor, name)

    @functools.wraps(original)
    def record(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        given = dict(zip(defaults, args, strict=False)) | kwargs
        arguments = tuple(given.get(key, default) for key, default in defaults.items())
        kept.calls.append(Call(name, arguments, tuple(tensor.shape), tensor))
        return original(tensor, *args, **kwargs) if run else tensor

    return record


def hollow(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a tensor of this shape that holds a single element, seen from everywhere."""
    return torch.zeros((), dtype=dtype).expand(shape)
