"""From a module whose memory was recorded to a recipe."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from fanwise.distributions import Distribution
from fanwise.frameworks.torch_layers import layers
from fanwise.frameworks.torch_record_memory import dtype_name
from fanwise.frameworks.torch_record_mode import Recorder
from fanwise.frameworks.torch_record_unseen import written_unseen
from fanwise.recording import Recipe, Recorded
from fanwise.recording.expression import Draw, Expression, Unknown, renamed
from fanwise.recording.law import is_independent, law

__all__ = ["recipe_of"]


@dataclass(frozen=True)
class _Named:
    """A parameter or buffer under one of its names."""

    name: str
    tensor: torch.Tensor
    is_buffer: bool
    is_persistent: bool


def recipe_of(module: nn.Module, recorder: Recorder, notes: tuple[str, ...] = ()) -> Recipe:
    """The recipe of a module.

    Raises:
        ValueError: naming every tensor that holds what cannot be expressed.
    """
    firsts: dict[object, str] = {}
    ties: dict[str, str] = {}
    own: dict[str, _Named] = {}
    for each in _tensors(module):
        first = firsts.setdefault(_identity(each.tensor), each.name)
        if first == each.name:
            own[each.name] = each
        else:
            ties[each.name] = first
    values = {name: _value(recorder, each.tensor) for name, each in own.items()}
    _refuse(own, values)
    if recorder.fake is None:
        unseen = written_unseen(recorder, {name: each.tensor for name, each in own.items()}, values)
        if unseen:
            raise ValueError(
                f"not what torch's operations have written, but something else, as through "
                f"Tensor.numpy(): {', '.join(unseen)}; write with operations of torch"
            )
    for name in [name for name, value in values.items() if value.unknown is not None]:
        lost = values.pop(name)
        del own[name]
        ties = {other: first for other, first in ties.items() if first != name}
        notes = (*notes, f"buffer {name}, which is not saved, is not recorded: {lost.unknown}")
    finals = _named(values)
    uses: dict[str, int] = {}
    for value in finals.values():
        for drawn in value.draws:
            uses[drawn.name] = uses.get(drawn.name, 0) + 1
    shared = {name for name, count in uses.items() if count > 1}
    tensors = {
        name: Recorded(
            tuple(each.tensor.shape),
            dtype_name(each.tensor.dtype),
            _simplest(finals[name], shared),
            each.is_buffer,
            each.is_persistent,
        )
        for name, each in own.items()
    }
    return Recipe(tensors, tuple(layers(module)), ties, notes)


def _tensors(module: nn.Module) -> Iterator[_Named]:
    """In the order of ``state_dict()``, by all names."""
    for path, child in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, parameter in child._parameters.items():
            if parameter is not None:
                yield _Named(prefix + name, parameter, is_buffer=False, is_persistent=True)
        for name, buffer in child._buffers.items():
            if buffer is not None:
                is_saved = name not in child._non_persistent_buffers_set
                yield _Named(prefix + name, buffer, is_buffer=True, is_persistent=is_saved)


def _identity(tensor: torch.Tensor) -> object:
    if torch.nn.parameter.is_lazy(tensor) or tensor.layout != torch.strided:
        return id(tensor)
    return (
        tensor.untyped_storage()._cdata,
        tensor.storage_offset(),
        tuple(tensor.size()),
        tuple(tensor.stride()),
        tensor.dtype,
    )


def _value(recorder: Recorder, tensor: torch.Tensor) -> Expression:
    if torch.nn.parameter.is_lazy(tensor):
        advice = "call the module once with an input, in the constructor"
        return Unknown((), "float32", "a lazy layer that does not know its shape", advice)
    if tensor.layout != torch.strided:
        what = f"a tensor of the layout {tensor.layout}"
        return Unknown(tuple(tensor.shape), dtype_name(tensor.dtype), what, "make it dense")
    if tensor.is_meta:
        advice = "construct the module on the CPU"
        name = dtype_name(tensor.dtype)
        return Unknown(tuple(tensor.shape), name, "a tensor on the meta device", advice)
    # Not made under the mode: from numpy, before the recording, or in another thread.
    recorder.is_outside |= recorder.fake is not None and not isinstance(tensor, FakeTensor)
    return recorder.memory.read(tensor)


def _refuse(own: dict[str, _Named], values: dict[str, Expression]) -> None:
    lines = []
    for name, value in values.items():
        unknown = value.unknown
        if unknown is None or not own[name].is_persistent:
            continue
        advice = f"; {unknown.advice}" if unknown.advice else ""
        what = "buffer" if own[name].is_buffer else "parameter"
        lines.append(f"  {what} {name}: {unknown.operation}{advice}")
    if lines:
        raise ValueError(
            f"{len(lines)} of the module's {len(values)} tensors cannot be written as draws and "
            "arithmetic between them:\n" + "\n".join(lines)
        )


def _named(values: dict[str, Expression]) -> dict[str, Expression]:
    """Draws named after the first tensor that holds them, and marked if others do too.

    First are those that hold nothing else: the norm of a weight is drawn as that weight is.
    """
    names: dict[str, str] = {}
    holders: dict[str, set[str]] = {}
    ordered = sorted(values, key=lambda name: not isinstance(values[name], Draw))
    for name in ordered:
        value = values[name]
        new = [each for each in value.draws if each.name not in names]
        new.sort(key=lambda each: int(each.name.removeprefix("#")))
        for number, each in enumerate(new):
            names[each.name] = name if number == 0 else f"{name}#{number}"
        for each in value.draws:
            holders.setdefault(each.name, set()).add(name)
    shared = {name for name, holding in holders.items() if len(holding) > 1}
    return dict(zip(values, renamed([*values.values()], names, shared), strict=True))


def _simplest(value: Expression, shared: set[str]) -> Distribution | Expression:
    """A Distribution, if that is all there is to it."""
    if any(each.name in shared for each in value.draws):
        return value
    found = law(value)
    if found is not None and is_independent(value):
        return found
    return value
