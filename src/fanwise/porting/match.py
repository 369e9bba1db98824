"""Match the layers of a torch model with those of another framework's."""

from collections.abc import Iterable, Mapping
from typing import Any

from fanwise.layers import Layer
from fanwise.porting.assign import assign
from fanwise.porting.candidates import Fit, fit
from fanwise.porting.correspondence import Correspondence, Pair

__all__ = ["match"]


def match(
    torch: Any,
    flax: Iterable[Layer],
    names: Mapping[str, str | tuple[str, ...] | None] | None = None,
    flatten: Mapping[str, tuple[int, ...] | None] | None = None,
) -> Correspondence:
    """Match."""
    from fanwise.frameworks.torch_layers import layers, ties

    ours = [layer for layer in layers(torch) if layer.leaves]
    theirs = list(flax)
    found = assign(ours, theirs)
    taken = {column for column, _ in found.pairs.values()}
    lines = [
        *(f"{ours[row].path}: unclear" for row in found.unclear),
        *(f"{layer.path}: left in torch" for i, layer in enumerate(ours) if i not in found.pairs),
        *(f"{layer.path}: left in Flax" for i, layer in enumerate(theirs) if i not in taken),
    ]
    if lines:
        raise ValueError("the layers do not match:\n  " + "\n  ".join(lines))
    pairs = []
    for row, (column, reason) in sorted(found.pairs.items()):
        how = fit(ours[row], theirs[column])
        assert isinstance(how, Fit)
        pairs.append(Pair(*how.apply(ours[row], theirs[column]), reason))
    return Correspondence(tuple(pairs), ties(torch))
