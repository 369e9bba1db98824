"""The rows of layers: torch's own constructors against fanwise's table, and each framework.

Classes that differ in the number of dimensions, or in being lazy, share a row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from fanwise.layers import KINDS, family, kind_of
from parity import equinox_layers, haiku_layers
from parity.conversions_compare import Framework, compare
from parity.conversions_linen import LINEN
from parity.conversions_nnx import NNX
from parity.conversions_pairs import PAIRS
from parity.conversions_planted import PLANTED_PAIRS
from parity.kinds_cases import CASES, KindCase
from parity.kinds_compare import mismatches
from parity.kinds_planted import PLANTED
from parity.kinds_recorded import record
from parity.kinds_walk import unaccounted
from parity.layer_laws import law_mismatches
from parity.layer_own import described, listed
from parity.layer_own_defaults import OWN_DEFAULTS
from parity.layer_result import LayerRow
from parity.module_pairs import ModulePair
from parity.progress import SILENT, Progress
from parity.workers import workers

__all__ = ["PARTS", "name_of", "part", "run"]

_FLAX = {"linen": LINEN, "nnx": NNX}
_OTHERS = {"equinox": equinox_layers, "haiku": haiku_layers}

PARTS = (*_OTHERS, *_FLAX, "torch")
"""What is compared in a process of its own; what takes longest first."""

# Layers of Haiku under the names of torch.
_TORCH_NAMES = {
    "Conv1D": "Conv",
    "Conv2D": "Conv",
    "Conv3D": "Conv",
    "DepthwiseConv2D": "Conv",
    "Conv1DTranspose": "ConvTranspose",
    "Conv2DTranspose": "ConvTranspose",
    "Conv3DTranspose": "ConvTranspose",
    "Embed": "Embedding",
    "MultiHeadAttention": "MultiheadAttention",
    "VanillaRNN": "RNN",
}


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """Compare every layer, and plant errors; rows sorted by layer, torch's own first."""
    with workers() as pool:
        parts = {name: pool.submit(part, name, seed) for name in PARTS}
        for name in progress.track(PARTS, "layers of torch, Flax, Equinox, Haiku"):
            parts[name].result()
    rows = [row for name in ("torch", *_FLAX, *_OTHERS) for row in parts[name].result()]
    order = {row.name: index for index, row in reversed(list(enumerate(rows)))}
    return sorted(rows, key=lambda row: order[row.name])


def part(name: str, seed: int) -> list[LayerRow]:
    """The rows of one framework."""
    if name == "torch":
        return [_walk(), *_torch(seed)]
    if name in _FLAX:
        return _framework(_FLAX[name], seed)
    pairs = _OTHERS[name].PAIRS
    return _other(name, {case: _of_pair(make, seed) for case, make in pairs.items()})


def name_of(kind: str) -> str:
    """The row that a kind is in."""
    outer, _, inner = kind.partition("(")
    return f"{outer}(...)" if inner else family(kind.removeprefix("Lazy"))


def _by_name(items: Iterable[Any], kind: Callable[[Any], str]) -> dict[str, list[Any]]:
    gathered = defaultdict(list)
    for item in items:
        gathered[name_of(kind(item))].append(item)
    return dict(gathered)


def _walk() -> LayerRow:
    """Every class of torch.nn that owns parameters is in the table."""
    missing = tuple(unaccounted(KINDS))
    planted = unaccounted([kind for kind in KINDS if kind != "Bilinear"])
    missed = () if len(planted) > len(missing) else ("Bilinear left out",)
    text = "each class with parameters is known"
    return LayerRow("all of torch.nn", "torch", len(KINDS), missing, 1, missed, None, text)


def _torch(seed: int) -> list[LayerRow]:
    rows = []
    planted = _by_name(PLANTED, lambda planted: planted.case.kind)
    groups = _by_name(CASES, lambda case: case.kind)
    for name, cases in groups.items():
        own = planted.get(name, [])
        rows.append(
            LayerRow(
                name,
                "torch",
                len(cases),
                tuple(line for case in cases for line in mismatches(case, seed)),
                len(own),
                tuple(each.error for each in own if not mismatches(each.case, seed, each.kind)),
                None,
                _default(cases[0]),
            )
        )
    return rows


def _default(case: KindCase) -> str:
    """What torch draws in the first case."""
    values = kind_of(case.kind).default(**case.hyperparameters)
    shown = {name.rpartition("weight.")[2]: described(value) for name, value in values.items()}
    text = listed(shown)
    return text if len(values) <= 8 else f"{len(values)} parameters, by their parts"


def _framework(framework: Framework, seed: int) -> list[LayerRow]:
    rows = []
    pairs = [pair for pair in PAIRS if framework.has(pair)]
    planted = _by_name(PLANTED_PAIRS, lambda planted: planted.pair.kind)
    groups = _by_name(pairs, lambda pair: pair.kind)
    for name, own in groups.items():
        compared = [compare(pair, framework, seed) for pair in own]
        errors = [each for each in planted.get(name, []) if framework.has(each.pair)]
        rows.append(
            LayerRow(
                name,
                framework.name,
                len(own),
                tuple(line for each in compared for line in each.lines),
                len(errors),
                tuple(each.error for each in errors if not each.is_caught(framework, seed)),
                max(each.off for each in compared),
                OWN_DEFAULTS.get((framework.name, name), ""),
            )
        )
    return rows


def _of_pair(make: Callable[[], ModulePair], seed: int) -> list[str]:
    """The start and the outputs of a layer of Equinox or Haiku."""
    made: list[ModulePair] = []

    def build() -> nn.Module:
        made.append(make())
        return made[0].module

    theirs = record(build, seed)
    layers = [layer for layer in made[0].layers if layer.kind is not None]
    starts = [line for layer in layers for line in law_mismatches(layer, theirs)]
    return [*starts, *made[0].mismatches()]


def _other(framework: str, found: dict[str, list[str]]) -> list[LayerRow]:
    return [
        LayerRow(
            name,
            framework,
            len(cases),
            tuple(f"{case}: {line}" for case in cases for line in found[case]),
        )
        for name, cases in _by_name(found, _kind).items()
    ]


def _kind(case: str) -> str:
    """torch's class of a case of the suites of Equinox and Haiku."""
    name = case.split(",")[0].split(" ")[0]
    return _TORCH_NAMES.get(name, name)
