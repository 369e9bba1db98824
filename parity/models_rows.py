"""The rows of models: every array of a whole model starts as the parameter of torch's model."""

from collections import Counter
from collections.abc import Sequence

from fanwise.distributions import Uniform
from fanwise.frameworks import linen, nnx
from fanwise.layers import Layer
from fanwise.rules import Rule, by_path, chain, torch_default
from parity import models_torch
from parity.kinds_recorded import Recorded, record
from parity.layer_laws import law_mismatches
from parity.layer_own_defaults import OWN_DEFAULTS
from parity.layer_result import LayerRow
from parity.layer_rows import name_of
from parity.models_linen import INPUTS
from parity.models_linen import MODELS as LINEN
from parity.models_nnx import MODELS as NNX
from parity.progress import SILENT, Progress

__all__ = ["mismatches", "run"]

_TITLES = {
    "resnet": "ResNet-18",
    "gpt2": "GPT-2",
    "tagger": "LSTM tagger",
    "dcgan": "DCGAN generator",
    "unet": "U-Net",
    "vit": "ViT",
}


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """Compare every model in linen and in nnx."""
    rows = []
    for name, title in progress.track(_TITLES.items(), "models"):
        theirs = record(getattr(models_torch, name), seed)
        for framework in ("linen", "nnx"):
            found = _layers(framework, name)
            wrong = _planted(found)
            rows.append(
                LayerRow(
                    title,
                    framework,
                    sum(len(layer.leaves) for layer in found),
                    tuple(mismatches(found, theirs)),
                    len(wrong),
                    tuple(e for e, rule in wrong.items() if not mismatches(found, theirs, rule)),
                    None,
                    _own(framework, found),
                )
            )
    return rows


def _layers(framework: str, name: str) -> list[Layer]:
    if framework == "linen":
        return linen.layers(LINEN[name](), INPUTS[name])
    return nnx.layers(NNX[name])


def mismatches(found: Sequence[Layer], theirs: Recorded, rule: Rule = torch_default) -> list[str]:
    """A line for everything that would start otherwise than in torch, or is not in both."""
    lines, seen = [], set()
    for layer in found:
        prefix = layer.path.replace("/", ".") + "."
        seen |= {prefix + name for name in layer.shapes}
        lines += [f"{layer.path}: {line}" for line in law_mismatches(layer, theirs, rule, prefix)]
    every = {*theirs.parameters, *theirs.buffers}
    lost = {name for name in every - seen if not name.endswith("num_batches_tracked")}
    return [*lines, *(f"{name} of torch's model is not found" for name in sorted(lost))]


def _planted(found: Sequence[Layer]) -> dict[str, Rule]:
    """Errors: the last layer with a bias or weight left out, and one start that is Flax's."""
    last = found[-1].path

    def left_out(layer: Layer) -> None:
        return None

    def twice(layer: Layer) -> dict[str, object]:
        return {
            name: Uniform(2 * value.low, 2 * value.high)
            for name, value in (torch_default(layer) or {}).items()
            if isinstance(value, Uniform)
        }

    return {
        "the last layer left to Flax": by_path({last: left_out, ".*": torch_default}),
        "one layer's bounds twice as wide": chain(torch_default, by_path({last: twice})),
    }


def _own(framework: str, found: Sequence[Layer]) -> str:
    """What Flax draws where it differs from torch, by layer."""
    counts = Counter(name_of(layer.kind or layer.source) for layer in found)
    # Those of the normalizations are torch's.
    texts = {
        f"{count} {name}": OWN_DEFAULTS[framework, name]
        for name, count in counts.items()
        if "Norm" not in name
    }
    by_text: dict[str, list[str]] = {}
    for name, text in texts.items():
        by_text.setdefault(text, []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in by_text.items())
