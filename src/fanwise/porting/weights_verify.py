"""Whether a state dict is one of the model that was matched: all that is wrong, at once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanwise.porting.convert import hub_array
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.read import Source, Stored
from fanwise.porting.weights_dtypes import dtypes_of, harm, uses_of
from fanwise.porting.weights_lost import Lost, is_count, lost_of, not_carried, refused
from fanwise.typing import DType, DTypeLike

__all__ = ["Plan", "verified"]


@dataclass(frozen=True)
class Plan:
    """What is to be read, and what becomes of it.

    Args:
        names: for each tensor the name under which it is read; of tied ones any may be there.
        dtypes: of the model's arrays, by path.
    """

    names: Mapping[Any, str]
    dtypes: Mapping[Any, DType]


def verified(
    source: Source,
    correspondence: Correspondence,
    dtype: DTypeLike | None = None,
    lossy: Collection[str] = (),
) -> Plan:
    """Verify a state dict, its values too.

    Raises:
        ValueError: with a line for everything that is wrong.
    """
    listed = source.listed()
    wanted = _wanted(correspondence)
    groups = _tied(correspondence)
    names = {
        name: there
        for name in wanted
        if (there := next((own for own in groups.get(name, (name,)) if own in listed), None))
        is not None
    }
    missing = [name for name in wanted if name not in names]
    unexpected = sorted(set(listed) - _allowed(correspondence, groups, wanted))
    fitting = {name: own for name, own in names.items() if listed[own].shape == wanted[name]}
    stored = {name: listed[own].dtype for name, own in fitting.items()}
    dtypes, wrong_dtypes = dtypes_of(correspondence, stored, dtype)
    lost = _lost(source, correspondence, fitting)
    findings = {
        "layers that do not fit": _misfits(correspondence),
        "missing": [f"{name} {wanted[name]}" for name in missing],
        "not expected": [f"{name} {listed[name].shape}" for name in unexpected],
        "wrong shapes": [
            f"{own}: {listed[own].shape}, and the model's is {wanted[name]}"
            for name, own in names.items()
            if name not in fitting
        ],
        "dtypes": wrong_dtypes,
        "values": [
            *_harmed(source, fitting, uses_of(correspondence, dtypes)),
            *_untied(source, groups, listed),
        ],
        "values without a place": refused(correspondence, lost, lossy),
    }
    if any(findings.values()):
        raise ValueError(_text(findings) + _hint(missing, unexpected))
    return Plan(names, dtypes)


def _misfits(correspondence: Correspondence) -> list[str]:
    """Parameters that a counterpart has otherwise, or has alone."""
    return [
        f"{pair.flax.path} {name} {shape}: "
        + (f"{own} in torch" if (own := pair.torch.shapes.get(name)) else "not in torch")
        + f" ({pair.torch.path.replace('/', '.')})"
        for pair in correspondence.pairs
        for name, shape in pair.flax.shapes.items()
        if pair.torch.shapes.get(name) != shape
    ]


def _wanted(correspondence: Correspondence) -> dict[Any, tuple[int, ...]]:
    """The tensors that arrays are made of, and their shapes."""
    return {
        leaf.path: leaf.shape
        for pair in correspondence.pairs
        for leaf in pair.torch.leaves
        if leaf.path not in not_carried(pair) or not is_count(leaf.name)
    }


def _tied(correspondence: Correspondence) -> dict[str, list[str]]:
    """For each name of a tied tensor all its names, the first one first."""
    groups: dict[str, list[str]] = {}
    for name, first in correspondence.ties.items():
        groups.setdefault(first, [first]).append(name)
    return {name: group for group in groups.values() for name in group}


def _allowed(
    correspondence: Correspondence, groups: Mapping[str, Any], wanted: Mapping[Any, Any]
) -> set[Any]:
    counts = {name for pair in correspondence.pairs for name in not_carried(pair)}
    unused = {leaf.path for layer in correspondence.unused for leaf in layer.leaves}
    return {*wanted, *groups, *counts, *unused}


def _harmed(
    source: Source, names: Mapping[Any, str], uses: Mapping[Any, tuple[DType, ...]]
) -> Iterator[str]:
    for name, own in names.items():
        if found := harm(source.read(own), uses.get(name, ())):
            yield f"{own}: {found}"


def _untied(
    source: Source, groups: Mapping[str, list[str]], listed: Mapping[str, Stored]
) -> Iterator[str]:
    """Tied tensors that are stored more than once, with different values."""
    for name, (first, *_) in groups.items():
        there = [own for own in groups[name] if own in listed]
        if name != first or len(there) < 2:
            continue
        array = source.read(there[0])
        for other in there[1:]:
            if not _is_same(array, source.read(other)):
                yield f"{there[0]} and {other} are one tensor in the model, and differ here"


def _is_same(array: Any, other: Any) -> bool:
    return array.dtype == other.dtype and bool(np.array_equal(array, other))


def _lost(
    source: Source, correspondence: Correspondence, names: Mapping[Any, str]
) -> dict[int, Sequence[Lost]]:
    """What each pair really loses: of what is added to others, zeros are no loss."""
    return {
        index: [each for each in lost if not each.is_zero(_hub(source, pair, lost, names))]
        for index, pair in enumerate(correspondence.pairs)
        if (lost := lost_of(pair))
    }


def _hub(
    source: Source, pair: Pair, lost: Sequence[Lost], names: Mapping[Any, str]
) -> dict[str, Any]:
    hub = {}
    for name in {each.name for each in lost if each.part is not None}:
        own = [
            leaf.path
            for leaf in pair.torch.leaves
            if any(piece.name == name for piece in leaf.pieces)
        ]
        if all(path in names for path in own):
            hub[name] = hub_array(pair.torch, name, {p: source.read(names[p]) for p in own})
    return hub


def _text(findings: Mapping[str, Sequence[str]]) -> str:
    parts = [
        f"{title}:\n" + "\n".join(f"  {line}" for line in lines)
        for title, lines in findings.items()
        if lines
    ]
    return "state_dict does not fit the model that was matched\n" + "\n".join(parts)


def _hint(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """The prefix that a wrapper of the model put before all names, or took away."""
    for names, others, text in (
        (missing, unexpected, "state_dict's names begin with {!r}, which the model's do not"),
        (unexpected, missing, "the model's names begin with {!r}, which state_dict's do not"),
    ):
        if names and len(others) >= len(names):
            name = min(names)
            for other in others:
                prefix = other.removesuffix(name)
                if prefix != other and all(prefix + each in others for each in names):
                    return f"\n{text.format(prefix)}: pass " + (
                        f"{{name.removeprefix({prefix!r}): t for name, t in state_dict.items()}}"
                        if names is missing
                        else f"{{{prefix!r} + name: t for name, t in state_dict.items()}}"
                    )
    return ""
