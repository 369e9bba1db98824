"""Which dtype each array of a model gets, and whether values survive it."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.layers import Leaf
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.variables import text_of
from fanwise.typing import DType, DTypeLike

__all__ = ["dtypes_of", "harm", "uses_of"]

# Elements that are looked at together.
_PART = 2**22


def dtypes_of(
    correspondence: Correspondence, stored: Mapping[Any, str], dtype: DTypeLike | None
) -> tuple[dict[Any, DType], list[str]]:
    """The dtypes of a model's arrays by path, and a line for each that was not asked for.

    Args:
        correspondence: the layers.
        stored: the dtype of each tensor that is there, by name.
        dtype: see :func:`fanwise.port.weights`.

    Raises:
        TypeError, ValueError: if ``dtype`` is none of a floating-point number.
    """
    asked = _asked(dtype)
    dtypes: dict[Any, DType] = {}
    groups: dict[str, list[str]] = {}
    for pair in correspondence.pairs:
        for leaf in pair.flax.leaves:
            names = {stored[name] for name in _sources(pair, leaf) if name in stored}
            try:
                dtypes[leaf.path] = _dtype(leaf, names, asked)
            except ValueError as error:
                groups.setdefault(str(error), []).append(text_of(leaf.path))
    lines = [f"{reason}: {_some(paths)}" for reason, paths in groups.items()]
    return dtypes, lines


def uses_of(
    correspondence: Correspondence, dtypes: Mapping[Any, DType]
) -> dict[Any, tuple[DType, ...]]:
    """For each tensor by name, the dtypes that its values are given."""
    uses: dict[Any, dict[DType, None]] = {}
    for pair in correspondence.pairs:
        for leaf in pair.flax.leaves:
            if leaf.path in dtypes:
                for name in _sources(pair, leaf):
                    uses.setdefault(name, {})[dtypes[leaf.path]] = None
    return {name: tuple(own) for name, own in uses.items()}


def harm(array: np.ndarray[Any, Any], dtypes: tuple[DType, ...]) -> str:
    """What happens to values that they must not suffer; nothing if all is well."""
    if _is_float(array.dtype) or array.dtype.kind == "c":
        if count := sum(int(np.isnan(part).sum()) for part in _parts(array)):
            return f"{count} of {array.size} values are NaN"
        lost, text = _overflown, "are too large for"
    else:
        lost, text = _changed, "do not fit into"
    for dtype in dtypes:
        if dtype != array.dtype and (count := sum(lost(part, dtype) for part in _parts(array))):
            return f"{count} of {array.size} values {text} {dtype}"
    return ""


def _parts(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The array a few rows at a time, so that what is asked of it takes little memory."""
    if array.ndim == 0 or array.size <= _PART:
        yield array
        return
    rows = max(1, _PART * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _overflown(array: np.ndarray[Any, Any], dtype: DType) -> int:
    with np.errstate(over="ignore"):
        return int((~np.isfinite(array.astype(dtype)) & np.isfinite(array)).sum())


def _changed(array: np.ndarray[Any, Any], dtype: DType) -> int:
    return int((array.astype(dtype).astype(array.dtype) != array).sum())


def _asked(dtype: DTypeLike | None) -> DType | str | None:
    if dtype is None or (isinstance(dtype, str) and dtype in ("keep", "model")):
        return dtype
    try:
        asked = np.dtype(jnp.dtype(dtype))
    except TypeError as error:
        raise TypeError(
            f"dtype must be None, 'keep', 'model' or a floating-point dtype, got {dtype!r}"
        ) from error
    if not _is_float(asked):
        raise ValueError(
            f"dtype must be None, 'keep', 'model' or a floating-point dtype, got {asked}"
        )
    return asked


def _dtype(leaf: Leaf, names: set[str], asked: DType | str | None) -> DType:
    """The dtype of an array made of tensors of these dtypes.

    Raises:
        ValueError: if it cannot be, or must be asked for.
    """
    own = np.dtype(leaf.dtype)
    unknown = [name for name in names if not _is_known(name)]
    if unknown:
        raise ValueError(f"stored as {', '.join(unknown)}, which is no dtype here")
    kinds = {_is_float(np.dtype(jnp.dtype(name))) for name in names}
    if kinds - {_is_float(own)}:
        raise ValueError(f"stored as {_and(names)}, and {own} in the model: another kind of number")
    if not _is_float(own) or not names:
        # Integers are compared value by value; JAX mostly has no 64 bits.
        if own.kind == "c" and names != {own.name}:
            raise ValueError(f"stored as {_and(names)}, and {own} in the model")
        return own
    if asked == "model":
        return own
    if asked is None and names != {own.name}:
        raise ValueError(
            f"stored as {_and(names)}, and {own} in the model; choose by dtype='keep' (as stored), "
            f"dtype='model', or a dtype"
        )
    if asked in (None, "keep"):
        if len(names) > 1:
            raise ValueError(f"made of {_and(names)} together; give dtype='model' or a dtype")
        (only,) = names
        asked = np.dtype(jnp.dtype(only))
    chosen = np.dtype(asked)
    if jax.dtypes.canonicalize_dtype(chosen) != chosen:
        raise ValueError(f"{chosen} needs jax_enable_x64; give dtype='float32'")
    return chosen


def _sources(pair: Pair, leaf: Leaf) -> list[Any]:
    """The tensors that an array is made of."""
    own = {piece.name for piece in leaf.pieces}
    return [
        theirs.path
        for theirs in pair.torch.leaves
        if any(piece.name in own for piece in theirs.pieces)
    ]


def _is_float(dtype: DType) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.floating))


def _is_known(name: str) -> bool:
    try:
        jnp.dtype(name)
    except TypeError:
        return False
    return True


def _and(names: set[str]) -> str:
    return " and ".join(sorted(names))


def _some(paths: list[str]) -> str:
    shown = ", ".join(paths[:6])
    return shown if len(paths) <= 6 else f"{shown} and {len(paths) - 6} more"
