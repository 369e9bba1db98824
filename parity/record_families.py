"""The rows of the example models: what is recorded of each is what its constructor makes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from examples.models.families import FAMILIES
from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress
from parity.record_transformers import row_of

__all__ = ["run"]

# All that the Mixer draws from normal laws are biases, and of forty numbers nobody sees the std.
_SIZES: Mapping[str, Mapping[str, Any]] = {"MLP-Mixer": {"channels_hidden": 1000}}


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """A row for each model."""
    return [
        row_of(
            family.name,
            [partial(family.torch, **_SIZES.get(family.name, {}))],
            seed,
            "the example's",
        )
        for family in progress.track(FAMILIES, "recorded starts of models")
    ]
