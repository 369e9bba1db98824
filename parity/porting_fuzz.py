"""The rows of random models: what was wrong with them, and which planted errors were caught."""

from collections import Counter
from functools import partial

from parity.fuzz.examine import Outcome, examine
from parity.fuzz.faults import FAULTS, planted
from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress
from parity.workers import workers

__all__ = ["MODELS", "run"]

MODELS = 200


def run(seed: int, progress: Progress = SILENT, models: int = MODELS) -> list[LayerRow]:
    """Examine random models, and plant errors in the first that have a place for them.

    Args:
        seed: of the suite.
        progress: shown meanwhile.
        models: how many.

    Returns:
        A row for each framework of the twins, and one for the planted errors.
    """
    with workers() as pool:
        examined = pool.map(partial(examine, seed=seed), range(models), chunksize=5)
        caught = pool.map(partial(_planted, seed), range(len(FAULTS)))
        outcomes = [next(examined) for _ in progress.track(range(models), "random models")]
        errors = [each for found in caught for each in found]
    rows = [_row(framework, outcomes) for framework in ("linen", "nnx")]
    return [*rows, _errors_row(errors)]


def _planted(seed: int, index: int) -> list[tuple[str, str, bool]]:
    """Kind and description of an error in each model, and whether it was caught.

    By its number, since an error holds functions that no other process can be sent.
    """
    return [(each.fault.kind, str(each), each.is_caught) for each in planted(FAULTS[index], seed)]


def _row(framework: str, outcomes: list[Outcome]) -> LayerRow:
    own = [outcome for outcome in outcomes if outcome.framework == framework]
    unclear = sum(bool(outcome.refused) and not outcome.is_untied for outcome in own)
    untied = sum(outcome.is_untied for outcome in own)
    return LayerRow(
        "Random models",
        framework,
        len(own),
        tuple(line for outcome in own for line in outcome.lines),
        off=max((outcome.off for outcome in own), default=None),
        default=(
            f"{sum(outcome.arrays for outcome in own)} arrays; names stated where they say nothing "
            f"in {unclear} models, and in {untied} with an array more than torch, which ties two"
        ),
    )


def _errors_row(errors: list[tuple[str, str, bool]]) -> LayerRow:
    counts = Counter(kind for kind, _, _ in errors)
    return LayerRow(
        "Random models",
        "planted",
        len(errors),
        planted=len(errors),
        missed=tuple(text for _, text, is_caught in errors if not is_caught),
        default=", ".join(f"{count} {kind}" for kind, count in counts.items()),
    )
