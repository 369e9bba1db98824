"""Match the layers of a torch model with those of another framework's."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fanwise.layers import Layer
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.flatten import Flatten, flattened
from fanwise.porting.matching.assign import Assignment, assign
from fanwise.porting.matching.candidates import Fit, fit
from fanwise.porting.matching.items import items_of, tied_items
from fanwise.porting.matching.keys import Names
from fanwise.porting.matching.mismatch import explain
from fanwise.porting.matching.split import Item
from fanwise.porting.matching.stated import Stated, resolve
from fanwise.recording import Recipe

__all__ = ["match"]

_EXPECTED = {
    "torch": "a torch module, a Recipe, or layers as fanwise.torch.layers gives",
    "flax": "layers as fanwise.linen.layers(model, *inputs) or fanwise.nnx.layers(model) gives",
}


def match(
    torch: Any,
    flax: Iterable[Layer],
    names: Names | None = None,
    flatten: Flatten | None = None,
) -> Correspondence:
    r"""Find for each layer of a torch model its counterpart in another framework's.

    One to one, by names, kinds, shapes, nesting and numbers together;
    :mod:`fanwise.porting.matching.assign` says what counts as evidence. What is not told is an
    error and no guess, and so is what is left on either side, but for torch's buffers: masks and
    the like, which Flax computes. They are listed as ``unused``.

    A parameter that torch has under two names needs one counterpart. If the other model has two
    arrays for it, that is an error too, unless ``names`` says of the second name what it is: then
    both get its values.

    Args:
        torch: a module, a :class:`fanwise.port.Recipe`, or layers as ``fanwise.torch.layers``
            gives them.
        flax: the other model's layers, as ``fanwise.linen.layers`` or ``fanwise.nnx.layers``
            gives them.
        names: what belongs together where it is not told, by torch's names:
            ``{"features.0": "Conv_0"}``. A key may be a regular expression, and the beginning
            of a name up to a dot: ``{r"layers\.(\d+)": r"blocks_\1"}`` says where all that is in
            there belongs. Several paths take a Linear apart along its outputs:
            ``{"attn.qkv": ("attn/query", "attn/key", "attn/value")}``. With None a layer stays
            behind.
        flatten: for a Linear behind a flattened map, or one whose outputs are made a map, the
            map's shape in torch, channels first: ``{"classifier.1": (256, 6, 6)}``; None for a
            port that flattens as torch does.

    Returns:
        The pairs in torch's order. Their torch layers have the parameters of their counterparts:
        a Linear behind a flattened map with its columns in the other's order, a packed one in
        parts.

    Raises:
        TypeError: for what is no model, no layers, or no mapping of names.
        ValueError: if layers are left, cannot be told apart, or are stated wrongly. The message
            has a table of them and the argument that would settle it.

    Example:
        >>> from fanwise.layers import Layer, Leaf, Piece, View
        >>> import numpy as np
        >>> def linear(path, key, view):
        ...     piece, shape = Piece("weight", View(view)), View(view).shape((3, 4))
        ...     leaf = Leaf(key, key, shape, np.dtype("f4"), (piece,))
        ...     return Layer(path, "Linear", {}, {"weight": (3, 4)}, leaves=(leaf,))
        >>> ours = linear("fc", "fc.weight", "... -> ...")
        >>> print(match([ours], [linear("Dense_0", ("params", "kernel"), "o i -> i o")]))
        torch  Flax     kind    conversion  known by
        fc     Dense_0  Linear  o i -> i o  kind and shape
    """
    model = _model(torch)
    theirs = _layers(flax, "flax")
    ours, others = items_of(model.layers, theirs)
    tied = tied_items(model.layers, model.ties)
    stated = resolve(ours, others, tied, names)
    found = assign(
        [item.layer for item in stated.torch],
        [item.layer for item in stated.flax],
        stated.allowed(),
        ([item.name for item in stated.torch], [item.name for item in stated.flax]),
        stated.pairs,
    )
    idle = _idle(stated, found)
    taken = {column for column, _ in found.pairs.values()}
    is_whole = len(found.pairs) + len(idle) == len(stated.torch)
    if found.unclear or not is_whole or len(taken) < len(stated.flax):
        raise ValueError(explain(stated.torch, stated.flax, found, idle, tied))
    pairs = [
        _pair(stated.torch[row], stated.flax[column], reason, model.ties)
        for row, (column, reason) in sorted(found.pairs.items())
    ]
    return Correspondence(
        tuple(flattened(pairs, flatten, theirs)),
        dict(model.ties),
        tuple(stated.torch[row].layer for row in idle),
    )


@dataclass(frozen=True)
class _Model:
    layers: Sequence[Layer]
    ties: Mapping[str, str]


def _model(torch: Any) -> _Model:
    if isinstance(torch, Recipe):
        return _Model(torch.layers, torch.ties)
    if hasattr(torch, "named_modules"):
        # Only who has torch has a module.
        from fanwise.frameworks.torch_layers import layers, ties

        return _Model(layers(torch), ties(torch))
    return _Model(_layers(torch, "torch"), {})


def _layers(given: Any, name: str) -> list[Layer]:
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for each in found:
        if not isinstance(each, Layer):
            raise TypeError(
                f"{name} must be {_EXPECTED[name]}, got {each!r} of type {type(each).__name__}"
            )
    return found


def _idle(stated: Stated, found: Assignment) -> list[int]:
    """The layers of torch that need no counterpart: buffers, and what was left out."""
    return [
        row
        for row, item in enumerate(stated.torch)
        if row not in found.pairs and (row in stated.left or not item.layer.parameters)
    ]


def _pair(torch: Item, flax: Item, reason: str, ties: Mapping[str, str]) -> Pair:
    how = fit(torch.layer, flax.layer)
    assert isinstance(how, Fit)
    ours, theirs = how.apply(torch.layer, flax.layer)
    if torch.is_tied:
        firsts: Collection[Any] = {leaf.path for leaf in torch.layer.leaves} & set(ties.values())
        reason = f"{reason}, tied to {', '.join(sorted(map(str, firsts)))}"
    return Pair(replace(ours, path=torch.source), theirs, reason)
