"""What an array has beside the law of its elements: fixed values, orthogonality, copies, signs.

Each aspect is read off several draws of the whole array, by properties that chance does not
imitate: the bounds below leave it less than one in a billion for an array.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["departures", "fixed_places", "structure_of"]

Array = npt.NDArray[Any]

# Blocks of rows that gates, or query, key and value, divide a packed matrix into.
_BLOCKS = (4, 3, 2, 1)

# Rows of independent values have inner products and norms that vary by 1/sqrt(length); a tenth of
# it in all of 8 rows and in two draws is no chance.
_STRAY = 0.1
_LINES = 8
# Fewer values may have one sign by chance.
_LEAST = 64
# What bfloat16 leaves of exact orthogonality.
_ROUNDING = 0.02


def structure_of(draws: Array) -> dict[str, str]:
    """The aspects in which an array is more than independent values.

    Args:
        draws: of the whole array in torch's arrangement, shape (keys, ...), two keys or more.

    Returns:
        What there is to say of each aspect; nothing of aspects that independent values of either
        sign do not have.

    Example:
        >>> q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 16, 16)))
        >>> structure_of(q)
        {'orthogonality': 'orthogonal, gain 1'}
    """
    fixed = fixed_places(draws)
    found: dict[str, str] = {}
    if fixed.any():
        found["fixed values"] = _fixed_text(fixed, draws[0])
    if fixed.all():
        return found
    matrices = (
        [draw.reshape(draw.shape[0], -1).astype(np.float32) for draw in draws[:2]]
        if (draws.ndim > 2)
        else []
    )
    if matrices:
        found |= _of_matrices(matrices, bool(fixed.any()))
    elif draws.ndim == 2 and (text := _repeated_blocks(draws[0])):
        found["copies"] = text
    free = draws[:2] if not fixed.any() else draws[:, ~fixed]
    if free.size >= _LEAST:
        # The first few tell mostly, and large arrays are not read again for nothing.
        first = free.reshape(-1)[:_LEAST]
        for is_one_sign, text in ((np.greater_equal, "negative"), (np.less_equal, "positive")):
            if is_one_sign(first, 0).all() and is_one_sign(free, 0).all():
                found["sign"] = f"never {text}"
        zeros = 1 - np.count_nonzero(free[0]) / free[0].size
        # In 16 bits what rounds to the upper end of a uniform may be put to a lower one of 0.
        if zeros > (1e-3 if draws.dtype.itemsize >= 4 else 1e-2):
            found["zeros"] = f"{zeros:.1%} zeros at random places"
    return found


def departures(torch: Mapping[str, str], flax: Mapping[str, str]) -> list[str]:
    """The aspects in which two arrays differ, in words."""
    lines = []
    for aspect in dict.fromkeys([*torch, *flax]):
        ours, theirs = flax.get(aspect, "none"), torch.get(aspect, "none")
        if ours != theirs:
            lines.append(f"{aspect}: {theirs} in torch, {ours} in Flax")
    return lines


def fixed_places(draws: Array) -> npt.NDArray[np.bool_]:
    """Which elements are the same in every draw, those that are so by chance left out.

    In float32 two of a million values may be equal by chance, and in bfloat16 one in a hundred.
    So with fewer than four draws only whole rows count, or more values than that.
    """
    same = np.asarray((draws == draws[:1]).all(axis=0))
    by_chance = 1e-3 if draws.dtype.itemsize >= 4 else 0.2
    if len(draws) >= 4 or same.mean() > by_chance or not same.any():
        return same
    if same.ndim < 2:
        return np.zeros_like(same)
    rows = same.reshape(same.shape[0], -1).all(axis=1)
    return np.broadcast_to(rows.reshape((-1,) + (1,) * (same.ndim - 1)), same.shape)


def _fixed_text(fixed: npt.NDArray[np.bool_], values: Array) -> str:
    """Which rows, or how many values, and what they are."""
    kept = values[fixed].astype(np.float64)
    if kept.min() == kept.max():
        what = f"{kept.flat[0]:.6g}"
    else:
        what = f"between {kept.min():.4g} and {kept.max():.4g}, sum {kept.sum():.6g}"
    if fixed.all():
        return f"all {what}"
    rows = fixed.reshape(fixed.shape[0], -1)
    whole = rows.all(axis=1)
    if whole.any() and (rows.any(axis=1) == whole).all():
        (places,) = np.nonzero(whole)
        return f"{_ranges(places)} {'is' if places.size == 1 else 'are'} {what}"
    return f"{fixed.sum()} of {fixed.size} values {what}"


def _ranges(places: npt.NDArray[np.intp]) -> str:
    """``row 0``, ``rows 16:32``."""
    breaks = np.nonzero(np.diff(places) > 1)[0] + 1
    runs = np.split(places, breaks)
    shown = [f"{run[0]}" if run.size == 1 else f"{run[0]}:{run[-1] + 1}" for run in runs[:4]]
    more = ", ..." if len(runs) > 4 else ""
    return f"row{'s' if places.size > 1 else ''} {', '.join(shown)}{more}"


def _of_matrices(matrices: list[Array], has_fixed: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    if not has_fixed and (text := _orthogonality(matrices)):
        return {"orthogonality": text}
    if has_fixed:
        return found
    if text := _repeated_blocks(matrices[0]):
        return {"copies": text}
    for name, turned in (("outputs", False), ("inputs", True)):
        if all(_is_normalized(m.T if turned else m) for m in matrices):
            found[f"norms of {name}"] = "all equal"
    return found


def _orthogonality(matrices: list[Array]) -> str:
    rows, columns = matrices[0].shape
    gains: dict[int, float] = {}
    for blocks in _BLOCKS:
        if rows % blocks or min(rows // blocks, columns) < 4:
            continue
        found = [_gain(part) for m in matrices for part in np.split(m, blocks)]
        known = [gain for gain in found if gain is not None]
        if len(known) == len(found):
            gains[blocks] = float(np.mean(known))
    if not gains:
        return ""
    # Orthogonal blocks one below the other have orthogonal columns, of a larger gain; and any
    # rows of an orthogonal block are orthogonal, of the same gain.
    finest = gains[max(gains)]
    blocks = min(own for own, gain in gains.items() if abs(gain / finest - 1) < _ROUNDING)
    text = "orthogonal" if blocks == 1 else f"{blocks} orthogonal blocks of outputs"
    return f"{text}, gain {gains[blocks]:.3g}"


def _gain(matrix: Array) -> float | None:
    """The gain of an orthogonal matrix, None for any other."""
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    chosen = np.linspace(0, short.shape[0] - 1, min(_LINES, short.shape[0])).astype(int)
    lines = np.ascontiguousarray(short[chosen])
    gram = lines @ lines.T
    squares = np.diagonal(gram)
    mean = float(squares.mean())
    if not mean > 0 or not np.isfinite(mean):
        return None
    bound = min(_ROUNDING, _STRAY / np.sqrt(lines.shape[1]))
    if np.abs(gram / mean - np.eye(len(lines))).max() > bound:
        return None
    return float(np.sqrt(mean))


def _is_normalized(matrix: Array) -> bool:
    """Whether all rows have one norm."""
    rows, columns = matrix.shape
    if rows < _LINES or columns < 4 or abs(matrix.mean()) > matrix.std():
        return False  # with a mean of their own, norms vary less
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    mean = float(norms.mean())
    return bool(mean > 0 and np.abs(norms / mean - 1).max() < _STRAY / np.sqrt(2 * columns))


def _repeated_blocks(array: Array) -> str:
    """Equal blocks of rows, or equal rows."""
    rows = array.shape[0]
    for blocks in _BLOCKS[:-1]:
        if rows % blocks == 0 and array[: rows // blocks].size >= 4:
            parts = np.split(array, blocks)
            if all(np.array_equal(part, parts[0]) for part in parts[1:]):
                return f"{blocks} equal blocks"
    if array.ndim < 2 or array.shape[1] < 4 or rows < 2:
        return ""
    start = np.ascontiguousarray(array[:, :4])
    different = np.unique(start.view(np.dtype((np.void, 16))).reshape(-1)).size
    return "" if different > rows - 2 else f"{different} different rows of {rows}"
