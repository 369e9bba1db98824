r"""What a user states of names: ``{"features.0": "Conv_0", r"layers\.(\d+)": r"blocks_\1"}``.

A key is a name of torch's, or a regular expression for several; it counts for the whole of a name,
or for its beginning up to a dot, and then says where all that is in there belongs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from fanwise.layers import Layer
from fanwise.porting.matching.candidates import Fit, fit
from fanwise.porting.matching.keys import Names, called, hit_of, whole_hit
from fanwise.porting.matching.split import Item, attention, is_merging, packed

__all__ = ["Stated", "resolve"]


@dataclass
class Stated:
    """What follows from what was stated.

    Args:
        torch: the layers of torch, some of them split, some that are tied to others added.
        flax: those of the other model.
        pairs: positions in both that are settled.
        inside: for others where their counterparts are.
        left: positions in torch of what stays behind.
    """

    torch: list[Item]
    flax: list[Item]
    pairs: dict[int, int] = field(default_factory=dict)
    inside: dict[int, str] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)

    def allowed(self) -> Any:
        """Which layers may still be assigned to which."""
        allowed = np.ones((len(self.torch), len(self.flax)), dtype=bool)
        for column, item in enumerate(self.flax):
            if any(
                container and _is_in(item.name, container) for container in self.inside.values()
            ):
                allowed[:, column] = False
        for row, container in self.inside.items():
            allowed[row] = [_is_in(item.name, container) for item in self.flax]
        for row in (*self.pairs, *self.left):
            allowed[row] = False
        allowed[:, list(self.pairs.values())] = False
        return allowed


def resolve(
    torch: Sequence[Item], flax: Sequence[Item], tied: Sequence[Item], names: Names | None
) -> Stated:
    """Find what a user states in the two models.

    Args:
        torch: torch's layers.
        flax: the other model's.
        tied: layers of torch that are another one; they count only where they are named.
        names: see :func:`fanwise.porting.match`.

    Raises:
        TypeError: for what is no mapping from names to names.
        ValueError: with a line for each name that is in neither model, and each that is stated
            twice or does not fit.
    """
    stated = Stated(list(torch), list(flax))
    if not names:
        return stated
    _check(names)
    lines: list[str] = []
    used: set[str] = set()
    # Tuples first: they split layers, and what is split has new positions.
    for key, value in names.items():
        if isinstance(value, tuple | list):
            _split(stated, key, tuple(value), used, lines)
    split = set(stated.pairs)
    taken: dict[int, list[int]] = {}
    for row, paired in stated.pairs.items():
        taken.setdefault(paired, []).append(row)
    for item in tied:
        hit = hit_of(item, names)
        if hit is not None and hit.is_whole and any(hit.value == f.name for f in stated.flax):
            stated.torch.append(item)
    for row, item in enumerate(stated.torch):
        if row in split or (hit := hit_of(item, names)) is None:
            continue
        used.add(hit.key)
        if hit.value is None:
            stated.left.add(row)
            continue
        if isinstance(hit.value, tuple):
            continue  # told already
        column = next((i for i, f in enumerate(stated.flax) if f.name == hit.value), None)
        if hit.is_whole and column is not None:
            stated.pairs[row] = column
            taken.setdefault(column, []).append(row)
            if isinstance(how := fit(item.layer, stated.flax[column].layer), str):
                lines.append(f"{item.dotted!r} is not {hit.value!r}: {how}")
        elif any(_is_in(f.name, hit.value) for f in stated.flax):
            stated.inside[row] = hit.value
        else:
            lines.append(f"{hit.key!r}: Flax has no {hit.value!r}{_close(hit.value, stated.flax)}")
    lines += [
        f"{stated.flax[column].name!r} is stated for several of torch's layers: "
        + ", ".join(stated.torch[row].dotted for row in rows)
        for column, rows in taken.items()
        if len(rows) > 1
    ]
    known = [item.dotted for item in (*stated.torch, *tied)]
    for key in names:
        if key not in used and not any(key in line for line in lines):
            close = get_close_matches(key, known, 2)
            hint = f"; there is {' and '.join(map(repr, close))}" if close else ""
            lines.append(f"{key!r} is no layer of torch's, and matches none{hint}")
    if lines:
        raise ValueError(
            "names does not fit the two models:\n  " + "\n  ".join(dict.fromkeys(lines))
        )
    return stated


def _check(names: Any) -> None:
    if not isinstance(names, Mapping):
        raise TypeError(
            f"names must be a mapping from torch's names to Flax's paths, got {names!r} of type "
            f"{type(names).__name__}"
        )
    for key, value in names.items():
        parts = value if isinstance(value, tuple | list) else (value,)
        good = value is None or (len(parts) > 0 and all(isinstance(each, str) for each in parts))
        if not isinstance(key, str) or not good:
            raise TypeError(
                "names must map a name of torch's to a path of Flax's, several for a layer that "
                f"is split, or None for what stays behind; got {key!r}: {value!r}"
            )


def _is_in(name: str, container: str) -> bool:
    return container in ("", name) or name.startswith(f"{container}/")


def _close(path: str, flax: Sequence[Item]) -> str:
    close = get_close_matches(path, [item.name for item in flax], 2)
    return f"; it has {' and '.join(map(repr, close))}" if close else ""


def _split(
    stated: Stated, key: str, value: tuple[str, ...], used: set[str], lines: list[str]
) -> None:
    """Replace each layer that the key names by its parts, and pair these."""
    sources = dict.fromkeys(item.source for item in stated.torch if item.name != item.source)
    for source in sources:
        _pair_parts(stated, source, key, value, used, lines)
    for item in list(stated.torch):
        hit = whole_hit(key, value, called(item))
        if hit is None or not isinstance(hit.value, tuple):
            continue
        used.add(key)
        targets = hit.value
        missing = [path for path in targets if _column(stated, path) is None]
        if missing:
            hint = _close(missing[0], stated.flax)
            lines.append(f"{key!r}: Flax has no {', '.join(map(repr, missing))}{hint}")
            continue
        columns = [_column(stated, path) for path in targets]
        others = [stated.flax[column].layer for column in columns if column is not None]
        parts = _parts(item, others)
        if isinstance(parts, str):
            lines.append(f"{item.dotted!r} is not {targets}: {parts}")
            continue
        row = stated.torch.index(item)
        stated.torch[row : row + 1] = parts
        stated.pairs = {
            own + (len(parts) - 1 if own > row else 0): other for own, other in stated.pairs.items()
        }
        stated.pairs |= {row + n: column for n, column in enumerate(columns) if column is not None}


def _pair_parts(
    stated: Stated,
    source: str,
    key: str,
    value: tuple[str, ...],
    used: set[str],
    lines: list[str],
) -> None:
    """Pair the parts of a layer that is split already, if the key names the layer."""
    name = source.replace("/", ".")
    hit = whole_hit(key, value, [name])
    if hit is None or not isinstance(hit.value, tuple):
        return
    used.add(key)
    columns = [_column(stated, path) for path in hit.value]
    rows = [row for row, item in enumerate(stated.torch) if item.source == source]
    missing = [path for path, column in zip(hit.value, columns, strict=True) if column is None]
    if missing:
        hint = _close(missing[0], stated.flax)
        lines.append(f"{key!r}: Flax has no {', '.join(map(repr, missing))}{hint}")
    elif len(rows) != len(columns):
        parts = ", ".join(stated.torch[row].dotted for row in rows)
        lines.append(f"{name!r} has {len(rows)} parts ({parts}), and these are {len(columns)}")
    else:
        for row, column in zip(rows, columns, strict=True):
            assert column is not None
            how = fit(stated.torch[row].layer, stated.flax[column].layer)
            if isinstance(how, str):
                lines.append(
                    f"{stated.torch[row].dotted!r} is not {stated.flax[column].name!r}: {how}"
                )
            stated.pairs[row] = column


def _column(stated: Stated, path: str) -> int | None:
    """The position of a path; the attention that it is in is split for it."""
    for column, item in enumerate(stated.flax):
        if item.name == path:
            return column
    for column, item in enumerate(stated.flax):
        if path.startswith(f"{item.name}/") and item.layer.kind == "MultiheadAttention":
            parts = attention(item)
            if any(part.name == path for part in parts):
                stated.flax[column : column + 1] = parts
                more = len(parts) - 1
                stated.pairs = {
                    row: own + (more if own > column else 0) for row, own in stated.pairs.items()
                }
                return _column(stated, path)
    return None


def _parts(item: Item, others: Sequence[Layer]) -> list[Item] | str:
    """The layer in as many parts as it has counterparts."""
    layer = item.layer
    if layer.kind == "MultiheadAttention":
        parts = attention(item)
    elif layer.kind is not None and "Linear" in layer.kind:
        sizes = [_outputs(other) for other in others]
        total = _outputs(layer)
        if None in sizes or total is None or sum(size or 0 for size in sizes) != total:
            shown = ", ".join(str(size) for size in sizes)
            return f"it has {total} outputs, and these have {shown}"
        merging = [is_merging(other) for other in others]
        if True in merging and False in merging:
            return f"{others[merging.index(True)].path!r} takes the heads together that others make"
        parts = packed(item, [size or 0 for size in sizes], [str(n) for n in range(len(sizes))])
    else:
        return f"{layer.kind or 'a class of its own'} cannot be split"
    if len(parts) != len(others):
        return f"it has {len(parts)} parts"
    for part, other in zip(parts, others, strict=True):
        if not isinstance(how := fit(part.layer, other), Fit):
            return how
    return parts


def _outputs(layer: Layer) -> int | None:
    shape = next(
        (s for name, s in layer.shapes.items() if name.endswith(("weight", "original1"))), None
    )
    return shape[0] if shape else None
