"""Layouts: which axis of a parameter is input, output, batch or receptive field.

A layout is a string with one letter per axis, as in ``jax.lax``'s dimension numbers:

* ``I`` is an input axis, ``O`` an output axis; a role may take several axes;
* ``B`` is a batch axis: independent weights side by side, left out of the fans;
* any other capital letter is one axis of the receptive field (``HWIO``), and ``...`` any number
  of such axes, none included.

========================================== ==========
parameter                                  layout
========================================== ==========
Flax and Haiku kernels (the default)       ``...IO``
torch and Equinox weights                  ``OI...``
torch's reading of a transposed            ``...OI``
convolution, on Flax's kernel (``...IO``
where it has ``transpose_kernel=True``)
query, key, value kernels of attention     ``IOO``
output kernel of attention                 ``IIO``
stacked experts, stacked layers            ``BIO``
========================================== ==========

Flax's DenseGeneral and attention flatten a kernel to two axes before they call its initializer,
so there the default layout is the right one; ``IOO`` and ``IIO`` are for the kernel as stored.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fanwise.typing import Shape, canonical_shape

__all__ = ["FLAX", "TORCH", "Axes", "Fans", "axes_of", "check_layout", "fans"]

FLAX = "...IO"
TORCH = "OI..."


class Fans(NamedTuple):
    """The number of inputs that one output sees, and of outputs that one input reaches."""

    fan_in: int
    fan_out: int


@dataclass(frozen=True)
class Axes:
    """The positions of a parameter's axes by role, each in the order of the layout."""

    batch: tuple[int, ...]
    output: tuple[int, ...]
    input: tuple[int, ...]
    spatial: tuple[int, ...]

    @property
    def torch_order(self) -> tuple[int, ...]:
        """The permutation to torch's order: batch first, then output, input, receptive field."""
        return self.batch + self.output + self.input + self.spatial


def check_layout(layout: str) -> tuple[str, str | None]:
    """Validate a layout; return the letters before ``...`` and those after (None without it).

    Raises:
        TypeError: if ``layout`` is not a string.
        ValueError: if it has a character that is no capital letter, more than one ``...``, or
            lacks an ``I`` or an ``O``.
    """
    if not isinstance(layout, str):
        raise TypeError(
            f"layout must be a string such as '...IO', got {layout!r} of type "
            f"{type(layout).__name__}"
        )
    return _parsed(layout)


@lru_cache(maxsize=1024)
def _parsed(layout: str) -> tuple[str, str | None]:
    head, ellipsis, tail = layout.partition("...")
    letters = head + tail
    unknown = sorted({c for c in letters if not ("A" <= c <= "Z")})
    if unknown:
        raise ValueError(
            f"layout {layout!r} has the unknown letter {unknown[0]!r}: allowed are capital "
            f"letters (I input, O output, B batch, any other one receptive-field axis) and one "
            f"'...'; Flax kernels are '...IO', torch weights 'OI...'"
        )
    missing = [role for role in "IO" if role not in letters]
    if missing:
        raise ValueError(
            f"layout {layout!r} has no {' and no '.join(missing)}: at least one axis must be "
            f"input (I) and one output (O); Flax kernels are '...IO', torch weights 'OI...'"
        )
    return head, (tail if ellipsis else None)


@lru_cache(maxsize=4096)
def _axes_of_rank(ndim: int, layout: str) -> Axes | None:
    head, tail = check_layout(layout)
    letters = head
    if tail is not None:
        letters += "." * max(0, ndim - len(head) - len(tail)) + tail
    if len(letters) != ndim:
        return None

    def positions(role: str) -> tuple[int, ...]:
        return tuple(axis for axis, letter in enumerate(letters) if letter == role)

    spatial = tuple(axis for axis, letter in enumerate(letters) if letter not in "BIO")
    return Axes(positions("B"), positions("O"), positions("I"), spatial)


def axes_of(shape: Shape, layout: str = FLAX) -> Axes:
    """Return the roles of the axes of ``shape``.

    Raises:
        ValueError: if the shape does not fit the layout.

    Example:
        >>> axes_of((3, 3, 64, 128), "...IO")
        Axes(batch=(), output=(3,), input=(2,), spatial=(0, 1))
    """
    sizes = canonical_shape(shape)
    head, tail = check_layout(layout)
    axes = _axes_of_rank(len(sizes), layout)
    if axes is not None:
        return axes
    least = len(head) + len(tail or "")
    needs = f"at least {least} axes" if tail is not None else f"exactly {least} axes"
    if len(sizes) < 2:
        way_out = (
            "fans need an input and an output axis; for a bias use zeros() or "
            "bias_uniform(fan_in), or uniform() and normal(), which need no fans"
        )
    else:
        way_out = (
            "pass the layout of this parameter as layout=; Flax's DenseGeneral and attention "
            "flatten their kernels to two axes before they call an initializer, there the "
            "default '...IO' is right"
        )
    raise ValueError(
        f"shape {sizes} does not fit layout {layout!r}, which takes {needs}: {way_out}"
    )


def fans(shape: Shape, layout: str = FLAX) -> Fans:
    """Return ``(fan_in, fan_out)`` of a parameter.

    ``fan_in`` is the product of the input axes and the receptive field, ``fan_out`` that of the
    output axes and the receptive field; batch axes count in neither. For one ``I`` and one
    ``O`` these are the fans of ``torch.nn.init``, grouped convolutions included: the input axis
    of a grouped kernel is already divided by the groups, its output axis is not, so ``fan_out``
    is that of the whole layer in torch (pytorch #23854), in JAX, and here.

    Args:
        shape: the parameter's shape.
        layout: one letter per axis, see the module's text; Flax's ``...IO`` by default.

    Raises:
        ValueError: for a bad layout, or a shape that does not fit it.

    Example:
        >>> fans((3, 3, 64, 128))
        Fans(fan_in=576, fan_out=1152)
        >>> fans((128, 64, 3, 3), "OI...")
        Fans(fan_in=576, fan_out=1152)
        >>> fans((8, 64, 128), "BIO")
        Fans(fan_in=64, fan_out=128)
    """
    sizes = canonical_shape(shape)
    axes = axes_of(sizes, layout)
    field = math.prod(sizes[axis] for axis in axes.spatial)
    return Fans(
        fan_in=math.prod(sizes[axis] for axis in axes.input) * field,
        fan_out=math.prod(sizes[axis] for axis in axes.output) * field,
    )
