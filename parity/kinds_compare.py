"""fanwise's table of layers against torch's constructors.

For each case: the names, order and shapes of parameters and buffers; every random draw, its law
to 1e-12, its shape and its place in the order, those that are overwritten included; and every
final value. For the latter the table's own draws are made by torch's generator from the same
seed, in the table's order: if one were missing, out of order or of another law, the values could
not be torch's.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fanwise.distributions import Constant, Distribution, Normal, Uniform
from fanwise.layers import Derived, Kind, kind_of
from parity.kinds_cases import KindCase
from parity.kinds_recorded import Recorded, record
from parity.request import of_distribution

__all__ = ["mismatches"]

Arrays = dict[str, npt.NDArray[Any]]

# float32 arithmetic in another order; the power method over 16 rounds gathers the most.
_TOLERANCE = 2e-5

_WEIGHT = "parametrizations.weight."


def mismatches(case: KindCase, seed: int, kind: Kind | None = None) -> list[str]:
    """A line for everything in which the table is not what torch does.

    Args:
        case: the layer.
        seed: for torch's generator.
        kind: examined in place of fanwise's own.
    """
    kind = kind_of(case.kind) if kind is None else kind
    sizes = case.hyperparameters
    theirs = record(case.build, seed)
    lines = [
        *_shapes("parameters", kind.shapes(**sizes), theirs.parameters),
        *_shapes("buffers", kind.buffers(**sizes), theirs.buffers),
    ]
    lines = lines or [*_draws(kind, sizes, theirs), *_laws(kind, sizes, theirs)]
    # Values can be compared only where they are of the same number and names.
    lines = lines or _values(kind, sizes, theirs, seed)
    return [f"{case}: {line}" for line in lines]


def _shapes(what: str, ours: Any, theirs: Any) -> list[str]:
    if list(ours.items()) == list(theirs.items()):
        return []
    return [f"{what} are {list(theirs.items())} in torch, {list(ours.items())} in ours"]


def _draws(kind: Kind, sizes: dict[str, Any], theirs: Recorded) -> list[str]:
    ours = kind.drawn(**sizes)
    if len(ours) != len(theirs.draws):
        return [f"torch draws {len(theirs.draws)} times, we {len(ours)} times"]
    lines = []
    for index, ((name, distribution), drawn) in enumerate(zip(ours, theirs.draws, strict=True)):
        if drawn.name not in ("", name):
            lines.append(f"draw {index} is {drawn.name} in torch, {name} in ours")
        elif not drawn.request.agrees(of_distribution(distribution)):
            lines.append(f"draw {index}, {name}: torch asks for {drawn.request}, we {distribution}")
    return lines


def _laws(kind: Kind, sizes: dict[str, Any], theirs: Recorded) -> list[str]:
    """What each parameter holds in the end: the last draw into it, or a constant."""
    lines = []
    every = kind.shapes(**sizes) | kind.buffers(**sizes)
    default = kind.default(**sizes)
    if set(default) != set(every):
        lines.append(f"values of {sorted(default)}, shapes of {sorted(every)}")
    for name in set(every) & set(default):
        value = default[name]
        if isinstance(value, Constant):
            if not (theirs.values[name] == np.float32(value.value)).all():
                lines.append(f"{name} is {theirs.values[name].ravel()[:3]} in torch, we {value}")
        elif not isinstance(value, Derived):
            last = theirs.last(name)
            if last is None or not last.agrees(of_distribution(value)):
                lines.append(f"{name}: torch asks for {last}, we for {value}")
    return lines


def _values(kind: Kind, sizes: dict[str, Any], theirs: Recorded, seed: int) -> list[str]:
    """Make the values from torch's seed by the table alone, and compare."""
    made = _replayed(kind, sizes, theirs, seed)
    lines = []
    for name, value in _expected(kind, theirs).items():
        if name not in made:
            lines.append(f"{name} follows from itself")
        elif made[name].shape != value.shape:
            lines.append(f"{name} comes to the shape {made[name].shape}, torch has {value.shape}")
        elif not (off := float(np.abs(made[name] - value).max(initial=0))) <= _TOLERANCE:
            lines.append(f"{name}: off by {off:.3g} from torch's of the same seed")
    return lines


def _expected(kind: Kind, theirs: Recorded) -> Arrays:
    """torch's values; of spectral_norm's ``_u`` what torch's next step of power method makes."""
    if not kind.name.startswith("spectral_norm"):
        return theirs.values
    parametrized: Any = theirs.module.parametrizations["weight"]
    method = parametrized[0]
    weight = method._reshape_weight_to_matrix(parametrized.original.detach())
    following = torch.mv(weight, method._v)
    return {**theirs.values, f"{_WEIGHT}0._u": (following / following.norm()).numpy()}


def _replayed(kind: Kind, sizes: dict[str, Any], theirs: Recorded, seed: int) -> Arrays:
    drawn: Arrays = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for (name, distribution), draw in zip(kind.drawn(**sizes), theirs.draws, strict=True):
            drawn[name] = _draw(distribution, draw.shape)
    every = kind.shapes(**sizes) | kind.buffers(**sizes)
    default = kind.default(**sizes)
    made: Arrays = {}
    for name, value in default.items():
        if isinstance(value, Constant):
            made[name] = np.full(every[name], value.value, np.float32)
        elif not isinstance(value, Derived):
            made[name] = drawn[name]
    waiting = {name: value for name, value in default.items() if isinstance(value, Derived)}
    while ready := [n for n, v in waiting.items() if all(source in made for source in v.sources)]:
        for name in ready:
            value = waiting.pop(name)
            given = [made[source] for source in value.sources]
            if value.drawn is not None:
                given.insert(0, _own_draw(kind, name, drawn, every[name]))
            made[name] = np.asarray(value.compute(*given))
    return made


def _draw(distribution: Distribution, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    tensor = torch.empty(shape)
    match distribution:
        case Uniform(low, high):
            tensor.uniform_(low, high)
        case Normal(mean, std):
            tensor.normal_(mean, std)
        case _:
            raise ValueError(f"torch's generator is not asked for {distribution} here")
    return tensor.numpy()


def _own_draw(kind: Kind, name: str, drawn: Arrays, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What a derived value is computed from first.

    That of ``orthogonal`` is a square of normals, of which the first columns are turned into the
    uniforms of the weight: here those that come to torch's weight are looked up.
    """
    if not kind.name.startswith("orthogonal"):
        return drawn[name]
    weight = torch.from_numpy(drawn[f"{_WEIGHT}original"])
    tall = weight if weight.shape[-2] >= weight.shape[-1] else weight.mT
    # U(-b, b) with b = 1 / sqrt(fan_in), for all layers that are examined in it.
    uniforms = tall.double() * math.sqrt(math.prod(weight.shape[1:]))
    normals = (torch.erfinv(uniforms) * math.sqrt(2)).float().numpy()
    rest = [drawn[name]] if name in drawn else []
    return np.concatenate([normals, *rest], axis=-1).reshape(shape)
