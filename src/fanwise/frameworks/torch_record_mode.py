"""Sees every operation of torch while a constructor runs, and keeps what each tensor holds.

The mode stands on top of torch's FakeTensorMode, under which tensors have shapes and no memory,
or alone, on real tensors.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

from fanwise.distributions import Distribution
from fanwise.frameworks.torch_record_calls import broadcast, cast
from fanwise.frameworks.torch_record_draws import drawn
from fanwise.frameworks.torch_record_memory import REAL_LIMIT, Memory, dtype_name, uninitialized
from fanwise.frameworks.torch_record_operation import (
    Operation,
    bound,
    is_view,
    tensors,
    written_arguments,
)
from fanwise.frameworks.torch_record_operations import OVERWRITES, expressed
from fanwise.frameworks.torch_record_streams import Streams
from fanwise.recording.expression import Draw, Expression, Unknown

__all__ = ["ReadsRandomError", "Recorder", "TooLargeError"]

_BLANK = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize"}
)
_READS = {
    "_local_scalar_dense": "Tensor.item, or a tensor as a condition",
    "item": "Tensor.item",
    "is_nonzero": "a tensor as a condition",
    "equal": "torch.equal",
    "allclose": "torch.allclose",
}
_ADVICE = (
    "draw it by normal_, uniform_, or a function of torch.nn.init, and change it by arithmetic"
)


class ReadsRandomError(RuntimeError):
    """Code that is recorded asks for a number that only a real draw has."""


class TooLargeError(RuntimeError):
    """Real tensors would take more memory than allowed."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What was drawn, and what all memory holds.

    Args:
        fake: the mode whose tensors have no memory; None records on real tensors.
        limit: elements that real tensors may have, all together.
    """

    def __init__(self, fake: FakeTensorMode | None = None, limit: int = 2**26) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fake = fake
        self.limit = limit
        self.memory = Memory()
        self.draws: list[Draw] = []
        self.drawn: dict[str, torch.Tensor] = {}
        self.reads: list[str] = []
        self.elsewhere: list[str] = []
        self.is_outside = False
        self.allocated = 0
        self.streams = Streams(is_fake=fake is not None)

    def draw(self, distribution: Distribution, shape: tuple[int, ...], dtype: str) -> Draw:
        """Note a new draw."""
        made = Draw(tuple(shape), dtype, f"#{len(self.draws)}", distribution)
        self.draws.append(made)
        return made

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation, and note what it does."""
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        if name.startswith("prim::") or name == "set_":
            return func(*args, **kwargs)
        given = bound(func, args, kwargs)
        written = written_arguments(func, given)
        if is_view(func) and not written:
            result = func(*args, **kwargs)
            self._note_view(given, result)
            return result
        short = name.removesuffix("_") if written else name
        operation = Operation(func, short, args, kwargs, given, written)
        if not operation.is_dense:
            return self._sparse(operation)
        is_lost = short in OVERWRITES and written == ["self"]
        before = self._operands({k: v for k, v in given.items() if k != "self" or not is_lost})
        if short in _READS:
            return self._read(operation)
        if operation.is_random:
            with self.streams.drawing(given.get("generator")):
                result, known = self._run(operation)
        else:
            result, known = self._run(operation)
        if short in _BLANK:
            self._note_blank(operation, result)
        elif tensors(result) or written:
            self._note(operation, before, result, known)
        return result

    def _sparse(self, operation: Operation) -> Any:
        """Run what has no memory to look at; what is dense in the end is unknown."""
        result = operation.func(*operation.args, **operation.kwargs)
        for each in operation.targets or tensors(result):
            if each.layout == torch.strided:
                value = Unknown(tuple(each.shape), dtype_name(each.dtype), operation.title, _ADVICE)
                if self.memory.knows(each):
                    self.memory.forget(each)
                    self.memory.write(each, value)
                else:
                    self.memory.allocate(each, value, None)
        return result

    def _operands(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All tensors among the arguments as expressions."""
        return {
            key: tree_map(
                lambda each: self.memory.read(each) if isinstance(each, torch.Tensor) else each,
                value,
            )
            for key, value in given.items()
            if key != "out"
        }

    def _note_view(self, given: Mapping[str, Any], result: Any) -> None:
        """A view has its source's storage; under fake tensors some are copies instead."""
        sources = tensors(given)
        for tensor in tensors(result):
            if not sources or self.memory.knows(tensor):
                continue
            source = sources[0]
            if tuple(tensor.shape) == tuple(source.shape):
                real = self.memory.real(source)
                self.is_outside |= real is not None and source.numel() > 1
                self.memory.allocate(tensor, self.memory.read(source), real)

    def _read(self, operation: Operation) -> Any:
        """A number, or a truth value, of which the constructor makes what it likes."""
        known = self._computed(operation)
        if known is not None:
            return known[0]
        self.reads.append(_READS[operation.short])
        if self.fake is not None:
            raise ReadsRandomError(operation.short)
        return operation.func(*operation.args, **operation.kwargs)

    def _run(self, operation: Operation) -> tuple[Any, Any]:
        """The result, and the same on known numbers if all are known and few."""
        if self.fake is None:
            self._count(operation)
        try:
            result = operation.func(*operation.args, **operation.kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException):
            known = self._computed(operation)
            if known is None or self.fake is None:
                self.reads.append(operation.title)
                raise ReadsRandomError(operation.short) from None
            return tree_map(self._faked, known[0]), known
        count = sum(each.numel() for each in tensors(result))
        known = self._computed(operation) if count <= REAL_LIMIT else None
        if known is None:
            for each in operation.targets:
                self.memory.forget(each)
        return result, known

    def _faked(self, value: Any) -> Any:
        assert self.fake is not None
        return self.fake.from_tensor(value) if isinstance(value, torch.Tensor) else value

    def _computed(self, operation: Operation) -> tuple[Any] | None:
        """The operation on known numbers; None if they are not all known."""
        if operation.is_random or operation.short in _BLANK:
            return None
        is_lost = operation.short in OVERWRITES or "out" in operation.written
        flat, spec = tree_flatten((operation.args, operation.kwargs))
        numbers = [self.memory.real(e) if isinstance(e, torch.Tensor) else e for e in flat]
        unknown = [
            place
            for place, each in enumerate(flat)
            if isinstance(each, torch.Tensor) and numbers[place] is None
        ]
        # What is overwritten need not be known, unless it is read as well: x.copy_(x.t()).
        if len(unknown) > 1 or (unknown and not is_lost):
            return None
        for place in unknown:
            if any(flat[place] is each for each in operation.targets):
                numbers[place] = self.memory.reserve(flat[place])
            if numbers[place] is None:
                return None
        try:
            with _disable_current_modes(), torch.no_grad():
                args, kwargs = spec.unflatten(numbers)
                result = operation.func(*args, **kwargs)
        except Exception:
            # Whatever is wrong with it, the operation itself says so to the constructor.
            return None
        # On the meta device there are no numbers.
        return None if any(each.is_meta for each in tensors(result)) else (result,)

    def _count(self, operation: Operation) -> None:
        """Refuse real memory beyond the limit before it is taken."""
        size = operation.given.get("size")
        if isinstance(size, (list, tuple)) and all(isinstance(n, int) for n in size):
            self.allocated += math.prod(size)
        if self.allocated > self.limit:
            raise TooLargeError(self.limit)

    def _note_blank(self, operation: Operation, result: Any) -> None:
        for each in operation.targets:
            self.memory.resized(each)
        for each in tensors(result):
            if not self.memory.knows(each):
                value = uninitialized(each.numel(), dtype_name(each.dtype))
                self.memory.allocate(each, value, None)

    def _note(self, operation: Operation, before: dict[str, Any], result: Any, known: Any) -> None:
        """Note what the operation has written or made."""
        targets = operation.targets or tensors(result)
        numbers = tensors(known[0]) if known is not None and not operation.written else []
        shapes = [tuple(each.shape) for each in targets]
        dtypes = [dtype_name(each.dtype) for each in targets]
        values = self._values(operation, before, shapes, dtypes)
        for place, (target, value) in enumerate(zip(targets, values, strict=True)):
            fitted = broadcast(cast(value, dtypes[place]), shapes[place])
            if operation.written:
                self.memory.write(target, fitted)
            elif not self.memory.knows(target):
                number = numbers[place] if len(numbers) == len(targets) else None
                self.memory.allocate(target, fitted, number)
        if operation.is_random and self.fake is None:
            for value, target in zip(values, targets, strict=True):
                self.keep(value, target)

    def keep(self, value: Expression, target: torch.Tensor) -> None:
        """The numbers of a real draw, by which what was recorded can be checked."""
        if isinstance(value, Draw):
            with _disable_current_modes(), torch.no_grad():
                self.drawn[value.name] = target.detach().clone()

    def _values(
        self,
        operation: Operation,
        before: dict[str, Any],
        shapes: list[tuple[int, ...]],
        dtypes: list[str],
    ) -> list[Expression]:
        short, found = operation.short, None
        unknown = _unknown(before, short)
        shape: Any = shapes[0] if len(shapes) == 1 else tuple(shapes)
        if operation.is_random:
            found = drawn(short, self.draw, before, shape, dtypes[0]) if len(shapes) == 1 else None
        elif unknown is None:
            found = expressed(short, before, shape, dtypes[0])
        if isinstance(found, tuple):
            return list(found)
        if found is not None:
            return [found]
        operation_name, advice = operation.title, _ADVICE
        if unknown is not None and not operation.is_random:
            operation_name, advice = unknown.operation, unknown.advice
        return [
            Unknown(shape, dtype, operation_name, advice)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]


def _unknown(before: dict[str, Any], short: str) -> Unknown | None:
    lost = "self" if short in OVERWRITES else None
    for key, value in before.items():
        if key == lost:
            continue
        for each in tree_flatten(value)[0]:
            if isinstance(each, Expression) and each.unknown is not None:
                return each.unknown
    return None
