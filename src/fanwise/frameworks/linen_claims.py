"""What linen's modules are in torch, and where their arrays are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flax import linen as nn

from fanwise.frameworks.claims import Array, Claim
from fanwise.frameworks.flax_cells import CELLS, cell_claim
from fanwise.frameworks.flax_layers import CLAIMS
from fanwise.frameworks.linen_tree import Names, Path
from fanwise.frameworks.linen_weight_norm import weight_norm_claim

__all__ = ["below", "claims_of", "layer_class", "source_of"]


def layer_class(module: nn.Module) -> str | None:
    """The class of flax.linen that a module is of, or is derived from."""
    for cls in type(module).__mro__:
        if cls is nn.Module:
            break
        if cls.__module__.startswith("flax.linen."):
            return cls.__name__
    return None


def source_of(module: nn.Module) -> str:
    """The name under which a module is listed."""
    return layer_class(module) or type(module).__name__


def claims_of(
    module: nn.Module, names: Names, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """What a module is in torch: where it is listed, what its arrays are below, and the claim."""
    source = layer_class(module)
    if source in ("RNN", "Bidirectional"):
        return _recurrent(module, names, source, free)
    if source == "WeightNorm":
        return _weight_norm(module, names, free)
    shapes = _shapes_below(names, free)
    claim = None
    if not shapes:
        return []
    try:
        if source is not None and source in CELLS:
            claim = cell_claim(source, shapes)
        elif source is not None and source in CLAIMS:
            claim = CLAIMS[source](module, shapes)
    except KeyError:
        return []  # a class derived from Flax's, with other arrays
    return [] if claim is None else [(names, names, claim)]


def _shapes_below(names: Names, free: Mapping[Path, Array]) -> dict[Names, tuple[int, ...]]:
    return {array.names[len(names) :]: array.shape for array in below(names, free)}


def below(names: Names, free: Mapping[Path, Array]) -> list[Array]:
    """The arrays below a module, its own and those of modules in it."""
    return [array for array in free.values() if array.names[: len(names)] == names]


def _recurrent(
    module: Any, names: Names, source: str, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """A cell that is run over a sequence, in one direction or in two."""
    runs = [module] if source == "RNN" else [module.forward_rnn, module.backward_rnn]
    cells = [run.cell for run in runs]
    bases = [cell.path for cell in cells]
    common = _common(bases)
    pieces: dict[Names, Any] = {}
    claim = None
    for cell, base, suffix in zip(cells, bases, ("_l0", "_l0_reverse"), strict=False):
        shapes = _shapes_below(base, free)
        claim = (
            cell_claim(layer_class(cell) or "", shapes, suffix, base[len(common) :])
            if shapes
            else None
        )
        if claim is None:
            return []
        pieces |= claim.pieces
    assert claim is not None
    sizes = {**claim.hyperparameters, "num_layers": 1, "bidirectional": len(runs) == 2}
    at = common if len(bases) == 1 else names
    return [(at, common, replace(claim, hyperparameters=sizes, pieces=pieces))]


def _weight_norm(
    module: Any, names: Names, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """The layer in it and its own scale, as one layer; listed where the layer is."""
    at = module.layer_instance.path
    claims = claims_of(module.layer_instance, at, free)
    if [base for _, base, _ in claims] != [at]:
        return []
    common = _common([names, at])
    inside, outside = at[len(common) :], names[len(common) :]
    own = [rest for rest in _shapes_below(names, free) if (*names, *rest)[: len(at)] != at]
    claim = weight_norm_claim(module, claims[0][2], inside, outside, own)
    return [] if claim is None else [(at, common, claim)]


def _common(paths: Sequence[Names]) -> Names:
    common = paths[0]
    for path in paths[1:]:
        while path[: len(common)] != common:
            common = common[:-1]
    return common
