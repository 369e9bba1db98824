"""What a framework's layer is in torch: one Claim for each, and the layers made from claims."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fanwise.layers import Layer, Leaf, Piece, kind_of
from fanwise.typing import DType

__all__ = ["Array", "Claim", "Found", "layers_of"]

Names: TypeAlias = tuple[str, ...]
Stack: TypeAlias = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Claim:
    """A framework's layer in torch's terms.

    Args:
        kind: torch's class.
        hyperparameters: its constructor arguments, as many as its shapes depend on.
        pieces: for each array, by its names below the layer, what it is made of.
        lost: what torch's layer has and this one has no place for.
    """

    kind: str
    hyperparameters: Mapping[str, Any]
    pieces: Mapping[Names, tuple[Piece, ...]]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Array:
    """An array of the model, as the framework has it.

    Args:
        path: where it is kept.
        names: the same as names, for people and for the key.
        shape: of one layer, without the axes of the stack.
        dtype: the array's.
        stack: for each axis of the stack, the outermost first: the axis, its size, and after how
            many of ``names`` the position is put in.
    """

    path: Any
    names: Names
    shape: tuple[int, ...]
    dtype: DType
    stack: Stack = ()


@dataclass(frozen=True)
class Found:
    """A layer found in a model.

    Args:
        names: where it is.
        source: the framework's class.
        arrays: what belongs to it, by names below it.
        claim: what it is in torch; None if nothing.
    """

    names: Names
    source: str
    arrays: Mapping[Names, Array]
    claim: Claim | None = field(default=None)


def layers_of(found: Iterable[Found]) -> list[Layer]:
    """All layers, those of a stack one by one, numbered in the order given.

    A stack is run layer by layer: what stands in the same stack is sorted by its position first.
    """
    listed: list[tuple[tuple[tuple[int, int], ...], Layer]] = []
    starts: dict[Names, int] = {}
    for order, each in enumerate(_fitting(one) for one in found):
        longest = _longest(each)
        prefixes = [longest.names[:at] for _, _, at in longest.stack] if longest else []
        for positions in _positions(each):
            # Where each stack begins, and the position in it; at last the layer's own place.
            turns = zip((starts.setdefault(p, order) for p in prefixes), positions, strict=True)
            listed.append(((*turns, (order, -1)), _layer(each, positions)))
    listed.sort(key=lambda entry: entry[0])
    return [
        replace(layer, index=index, count=len(listed)) for index, (_, layer) in enumerate(listed)
    ]


def _longest(each: Found) -> Array | None:
    """The array in the most stacks: others of the layer may be shared by a stack."""
    return max(each.arrays.values(), key=lambda array: len(array.stack), default=None)


def _stack_of(each: Found) -> Stack:
    longest = _longest(each)
    return longest.stack if longest is not None else ()


def _positions(each: Found) -> list[tuple[int, ...]]:
    positions: list[tuple[int, ...]] = [()]
    for _, size, _ in _stack_of(each):
        positions = [(*outer, index) for outer in positions for index in range(size)]
    return positions


def _layer(each: Found, positions: tuple[int, ...]) -> Layer:
    claim = each.claim
    shapes: dict[str, tuple[int, ...]] = {}
    buffers: dict[str, tuple[int, ...]] = {}
    leaves = []
    pieces: Mapping[Names, tuple[Piece, ...]]
    if claim is None:
        pieces = {rest: (Piece("/".join(rest)),) for rest in each.arrays}
        shapes = {"/".join(rest): array.shape for rest, array in each.arrays.items()}
    else:
        pieces = claim.pieces
        kind = kind_of(claim.kind)
        named = {piece.name for own in pieces.values() for piece in own}
        every = kind.shapes(**claim.hyperparameters)
        shapes = {name: shape for name, shape in every.items() if name in named}
        every = kind.buffers(**claim.hyperparameters)
        buffers = {name: shape for name, shape in every.items() if name in named}
    for rest, own in pieces.items():
        array = each.arrays[rest]
        of_array = _own_positions(array.stack, _stack_of(each), positions)
        stack = tuple(
            (axis, index) for (axis, _, _), index in zip(array.stack, of_array, strict=True)
        )
        name = _numbered(array.names, array.stack, of_array)
        leaves.append(Leaf(array.path, name, array.shape, array.dtype, own, stack))
    outer = [(axis, size, min(at, len(each.names))) for axis, size, at in _stack_of(each)]
    return Layer(
        path=_numbered(each.names, tuple(outer), positions),
        kind=None if claim is None else claim.kind,
        hyperparameters={} if claim is None else dict(claim.hyperparameters),
        parameters=shapes,
        buffers=buffers,
        source=each.source,
        lost=() if claim is None else claim.lost,
        leaves=tuple(leaves),
    )


def _own_positions(own: Stack, whole: Stack, positions: tuple[int, ...]) -> tuple[int, ...]:
    """The positions in the stacks that an array is in, of those of its layer."""
    found = []
    levels = iter(zip(whole, positions, strict=True))
    for _, size, at in own:
        found.append(next(index for (_, n, level), index in levels if (n, level) == (size, at)))
    return tuple(found)


def _numbered(names: Names, stack: Stack, positions: tuple[int, ...]) -> str:
    """The names with the positions in the stacks put in."""
    numbered = list(names)
    for (_, _, at), index in reversed(list(zip(stack, positions, strict=True))):
        numbered.insert(at, str(index))
    return "/".join(numbered)


def _fitting(each: Found) -> Found:
    """Without the claim if torch's shapes do not come to those that the model has.

    A normalization over several axes at once, say, is none of torch's.
    """
    if each.claim is None:
        return each
    kind, sizes = kind_of(each.claim.kind), each.claim.hyperparameters
    shapes = {**kind.shapes(**sizes), **kind.buffers(**sizes)}
    fits = all(
        piece.name in shapes and _fits(each.arrays[rest].shape, piece, shapes[piece.name])
        for rest, own in each.claim.pieces.items()
        for piece in own
    )
    return each if fits else replace(each, claim=None)


def _fits(shape: tuple[int, ...], piece: Piece, torch_shape: tuple[int, ...]) -> bool:
    if piece.at is not None:
        shape = tuple(stop - start for start, stop in piece.at)
    try:
        return piece.view.shape(piece.torch_shape(torch_shape)) == shape
    except ValueError:
        return False
