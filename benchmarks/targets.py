"""What fanwise promises, beside what was measured. Ratios are ratios of medians of one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.results import Results

__all__ = ["Target", "targets_of"]

_LARGE = [4096, 4096]
_SMALL = [256, 256]
_LAYERS = (96, 12)


@dataclass(frozen=True)
class Target:
    """One promise.

    ``measured`` is None where the run did not measure it.
    """

    text: str
    measured: float | None
    bound: float
    is_lower_bound: bool

    @property
    def verdict(self) -> str:
        """What the figure says."""
        if self.measured is None:
            return "not measured"
        if self.is_lower_bound:
            return "met" if self.measured >= self.bound else "NOT met"
        return "met" if self.measured <= self.bound else "NOT met"

    def record(self) -> dict[str, Any]:
        """Return it as it is written to the results file."""
        return {
            "text": self.text,
            "measured": self.measured,
            "at_least" if self.is_lower_bound else "at_most": self.bound,
            "verdict": self.verdict,
        }


def targets_of(results: Results) -> list[Target]:
    """Return all promises."""
    return [
        *_kernels(results),
        *_models(results),
        *_compiling(results),
        *_memory(results),
        Target(
            "import fanwise, ms on top of import jax",
            results.median(part="imports", contestant="fanwise after jax"),
            60,
            False,
        ),
    ]


def _kernels(results: Results) -> Iterator[Target]:
    def ratio(distribution: str, above: str, below: str, shape: list[int], when: str) -> Any:
        return results.ratio(
            {"contestant": above},
            {"contestant": below},
            part="kernels",
            quantity=f"{when} seconds",
            distribution=distribution,
            dtype="float32",
            shape=shape,
        )

    where = "float32 (4096, 4096)"
    for distribution, times in (("uniform", 4), ("normal", 3), ("trunc_normal", 3)):
        for suffix in ("", " jit"):
            yield Target(
                f"{distribution} {where}: jax{suffix} / fanwise{suffix}",
                ratio(distribution, f"jax{suffix}", f"fanwise{suffix}", _LARGE, "warm"),
                times,
                True,
            )
    for distribution, most in (("uniform", 1.0), ("normal", 1.3)):
        measured = ratio(distribution, "fanwise", "torch", _LARGE, "warm")
        yield Target(f"{distribution} {where}: fanwise / torch", measured, most, False)
    measured = ratio("trunc_normal", "torch", "fanwise", _LARGE, "warm")
    yield Target(f"trunc_normal {where}: torch / fanwise", measured, 8, True)
    for when in ("warm", "cold"):
        measured = ratio("normal", "fanwise", "jax", _SMALL, when)
        yield Target(f"normal float32 (256, 256), {when}: fanwise / jax", measured, 1.0, False)
    for rival in ("jax", "torch"):
        measured = ratio("orthogonal", "fanwise", rival, [1024, 1024], "warm")
        yield Target(f"orthogonal (1024, 1024): fanwise / {rival}", measured, 1.0, False)


def _models(results: Results) -> Iterator[Target]:
    for rival, own, times in (
        ("linen jit", "fanwise", 8),
        ("linen jit", "fanwise from linen", 8),
        ("linen eager", "fanwise", 3),
        ("linen eager", "fanwise from linen", 3),
        ("nnx eager", "fanwise", 3),
        ("torch", "fanwise", 1),
        ("torch default", "fanwise default", 1),
    ):
        measured = results.ratio(
            {"contestant": rival},
            {"contestant": own},
            part="models",
            quantity="cold seconds",
            network="GPT-2",
        )
        yield Target(f"GPT-2, cold: {rival} / {own}", measured, times, True)


def _compiling(results: Results) -> Iterator[Target]:
    many, few = _LAYERS
    # Of fill() called eagerly. In one compiled program every array costs a few milliseconds to
    # be returned, whoever draws it.
    for quantity in ("programs", "seconds"):
        measured = results.ratio(
            {"layers": many},
            {"layers": few},
            part="compile",
            quantity=quantity,
            contestant="fanwise",
        )
        text = f"fanwise: {quantity} compiled, {many} / {few} narrow layers"
        # A clock is never exact: seconds may differ by a tenth between equal work.
        yield Target(text, measured, 1.0 if quantity == "programs" else 1.1, False)


def _memory(results: Results) -> Iterator[Target]:
    measured = results.median(
        part="memory", quantity="peak multiple", of="GPT-2", contestant="fanwise"
    )
    yield Target("GPT-2: peak memory / bytes of the parameters", measured, 1.1, False)
    for found in results.where(
        part="memory", quantity="temporary multiple", contestant="fanwise jit"
    ):
        text = f"{found.labels['of']}: temporary memory / result"
        yield Target(text, found.spread.median, 0.0, False)
