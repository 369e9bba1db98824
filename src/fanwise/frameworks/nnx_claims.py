"""What the modules of an nnx model are in torch, and every array in exactly one layer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fanwise.frameworks.claims import Array, Claim, Found
from fanwise.frameworks.flax_cells import CELLS, cell_claim
from fanwise.frameworks.flax_layers import CLAIMS
from fanwise.frameworks.nnx_modules import Names, Walked, layer_class, source_of
from fanwise.frameworks.nnx_stacks import Stacked
from fanwise.frameworks.nnx_weight_norm import weight_norm_claim

__all__ = ["CLAIMED", "found_in"]

_KERNEL = ("kernel",)

# Without these a module is not taken for a layer: another that shares them has them already.
_NEEDED: Mapping[str, Sequence[Names]] = {
    "Linear": [_KERNEL],
    "LinearGeneral": [_KERNEL],
    "Conv": [_KERNEL],
    "ConvTranspose": [_KERNEL],
    "Embed": [("embedding",)],
    "PReLU": [("negative_slope",)],
    "MultiHeadAttention": [(name, "kernel") for name in ("query", "key", "value", "out")],
}

# LoRALinear adds to a Linear; what it adds is a layer by itself.
_SAME = {"LoRALinear": "Linear"}

CLAIMED = frozenset({*CLAIMS, *CELLS, *_SAME, "RNN", "Bidirectional", "WeightNorm"})
"""The classes that torch has a counterpart for."""

Free = dict[Names, Array]


def found_in(walked: Walked, stacked: Iterable[Stacked]) -> list[Found]:
    """The layers, in the order in which their first array was defined."""
    arrays = {
        each.entry.names: Array(
            each.entry.path, each.entry.names, each.shape, each.entry.dtype, tuple(each.stack)
        )
        for each in stacked
        if not each.entry.is_random
    }
    order = {names: index for index, names in enumerate(arrays)}
    owners = {entry.names: entry.owner for entry in walked.entries}
    free, found = dict(arrays), []
    for names, module in walked.modules.items():
        for at, base, claim in _claims(module, names, free, walked):
            own = {rest: free.pop((*base, *rest)) for rest in claim.pieces}
            found.append(Found(at, source_of(module), own, claim))
    # What nobody claims, by module; and by stack, as an array may be one for all in a stack.
    groups: dict[tuple[Names, Any], dict[Names, Array]] = {}
    for names, array in free.items():
        owner = owners[names]
        groups.setdefault((owner, _levels(array)), {})[names[len(owner) :]] = array
    for (owner, _), own in groups.items():
        found.append(Found(owner, source_of(walked.modules[owner]), own))
    return sorted(found, key=lambda each: min(order[a.names] for a in each.arrays.values()))


def _levels(array: Array) -> tuple[tuple[int, int], ...]:
    return tuple((size, level) for _, size, level in array.stack)


def _claims(
    module: Any, names: Names, free: Free, walked: Walked
) -> Iterator[tuple[Names, Names, Claim]]:
    """What a module is: where it is listed, what its arrays are below, and the claim."""
    source = layer_class(module)
    at, claim = names, None
    if source == "RNN":
        at = (*names, "cell")
        claim = _recurrent([module], [at], at, free)
    elif source == "Bidirectional":
        bases = [(*names, run, "cell") for run in ("forward_rnn", "backward_rnn")]
        runs = [module.forward_rnn, module.backward_rnn]
        if all(layer_class(run) == "RNN" for run in runs):
            claim = _recurrent(runs, bases, names, free)
    elif source in CELLS:
        claim = _cell(module, names, free)
    elif source == "WeightNorm":
        inner = module.layer_instance
        wrapped = _layer(inner, (*names, "layer_instance"), free)
        claim = weight_norm_claim(module, wrapped, _shapes(names, free)) if wrapped else None
    else:
        claim = _layer(module, names, free)
    if claim is not None:
        arrays = [free[(*at, *rest)] for rest in claim.pieces]
        if len({_levels(array) for array in arrays}) == 1:
            yield at, at, claim


def _layer(module: Any, names: Names, free: Free) -> Claim | None:
    source = _SAME.get(layer_class(module), layer_class(module))
    shapes = _shapes(names, free)
    if source not in CLAIMS or not shapes or not set(_NEEDED.get(source, ())) <= set(shapes):
        return None
    return CLAIMS[source](module, shapes)


def _shapes(names: Names, free: Free) -> dict[Names, tuple[int, ...]]:
    length = len(names)
    return {own[length:]: array.shape for own, array in free.items() if own[:length] == names}


def _cell(
    cell: Any, names: Names, free: Free, suffix: str = "", prefix: Names = ()
) -> Claim | None:
    source = layer_class(cell)
    if source not in CELLS:
        return None
    gates = [gate for gate in CELLS[source][1] if hasattr(cell, gate)]
    shapes: dict[Names, tuple[int, ...]] = {
        rest: shape
        for rest, shape in _shapes(names, free).items()
        if len(rest) == 2 and rest[0] in gates
    }
    if not all((gate, "kernel") in shapes for gate in gates):
        return None
    return cell_claim(source, shapes, suffix, prefix)


def _recurrent(runs: Sequence[Any], bases: Sequence[Names], at: Names, free: Free) -> Claim | None:
    """A cell that is run over a sequence, in one direction or in two."""
    claims = [
        _cell(run.cell, base, free, suffix, base[len(at) :])
        for run, base, suffix in zip(runs, bases, ("_l0", "_l0_reverse"), strict=False)
    ]
    known = [claim for claim in claims if claim is not None]
    if len(known) < len(runs) or len({claim.kind for claim in known}) > 1:
        return None
    pieces = {rest: own for claim in known for rest, own in claim.pieces.items()}
    lost = tuple(name for claim in known for name in claim.lost)
    sizes = {**known[0].hyperparameters, "num_layers": 1, "bidirectional": len(runs) == 2}
    return replace(known[0], hyperparameters=sizes, pieces=pieces, lost=lost)
