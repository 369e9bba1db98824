"""Causes in arguments that mean something else in JAX."""

import math
from collections.abc import Iterator

from fanwise.distributions import Normal, ScalarDistribution, TruncatedNormal, Uniform
from fanwise.layouts import FLAX, TORCH, fans
from fanwise.porting.checking.causes import Cause, Evidence, Hypothesis
from fanwise.porting.checking.fans import fans_of, is_nice
from fanwise.porting.checking.laws import brief, families, normal_of, scaled, variance_scaled

__all__ = ["argument", "axes", "other_scale"]

_MODES = ("fan_in", "fan_out", "fan_avg")


def argument(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """A bound, a std, a variance or a truncation given where another one is expected."""
    if law.mean != 0 or not law.std > 0:
        return
    for predicted, words in _misread(normal_of(law)):
        yield Hypothesis(Cause.ARGUMENT, predicted, words, 2, words)
    yield from _variance_scaling(evidence, law)
    yield from _gain(evidence, law)
    for other in families(law.std):
        if type(other) is not type(normal_of(law)):
            words = (
                f"torch draws from {brief(law)}, Flax from {brief(other)}: the same std, another "
                f"law"
            )
            if isinstance(other, TruncatedNormal):
                words += "; Flax's he, glorot and lecun normals are truncated at two std"
            yield Hypothesis(Cause.ARGUMENT, other, words, 2, "law")


def _misread(law: ScalarDistribution) -> Iterator[tuple[ScalarDistribution, str]]:
    std = law.std
    if isinstance(law, Uniform):
        bound = law.high
        text = "jax.nn.initializers.uniform(scale) draws from [0, scale), torch's from [-b, b)"
        yield Uniform(0.0, bound), text
        yield Uniform(0.0, 2 * bound), text
        yield Normal(0.0, bound), f"the bound {bound:.4g} of torch's uniform is given as a std"
        yield _truncated(bound), f"the bound {bound:.4g} of torch's uniform is given as a std"
        yield Uniform(-std, std), f"the std {std:.4g} of torch's uniform is given as a bound"
        return
    scale = law.scale if isinstance(law, TruncatedNormal) else std
    text = f"the std {scale:.4g} is given to jax.nn.initializers.uniform, which draws from [0, x)"
    yield Uniform(0.0, scale), text
    yield Uniform(-scale, scale), f"the std {scale:.4g} is given as the bound of a uniform"
    yield Normal(0.0, scale**2), f"the variance {scale**2:.4g} is given as a std"
    yield _truncated(scale**2), f"the variance {scale**2:.4g} is given as a std"
    yield Normal(0.0, math.sqrt(scale)), f"the std {scale:.4g} is taken for a variance"
    text = (
        f"jax's truncated_normal({scale:.4g}) cuts at multiples of the std, by default two of "
        f"them, torch's trunc_normal_ at absolute values"
    )
    yield _truncated(scale), text
    if isinstance(law, TruncatedNormal):
        low, high = law.low * scale, law.high * scale
        if high - low > 1e-12:
            yield TruncatedNormal(0.0, scale, low, high), text
        yield Normal(0.0, scale), f"torch cuts the normal at {law.low:.4g} and {law.high:.4g}"
        yield Normal(0.0, std), f"torch cuts the normal at {law.low:.4g} and {law.high:.4g}"


def _truncated(scale: float) -> TruncatedNormal:
    return TruncatedNormal(0.0, scale, -2 * scale, 2 * scale)


def _variance_scaling(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """``variance_scaling(std**2, "fan_in")`` meant as a plain std."""
    law = normal_of(law)
    sizes = {"std": law.std, "variance": law.std**2}
    if isinstance(law, Uniform):
        sizes["bound"] = law.high
    if isinstance(law, TruncatedNormal):
        sizes |= {"std": law.scale, "variance": law.scale**2}
    for mode, fan in _flax_fans(evidence).items():
        for name, size in sizes.items():
            for predicted in variance_scaled(size, fan):
                words = (
                    f"the {name} {size:.4g} is given to variance_scaling, which divides it by "
                    f"{mode}, {fan:g}"
                )
                yield Hypothesis(Cause.ARGUMENT, predicted, words, 2, f"variance_scaling {name}")


def _flax_fans(evidence: Evidence) -> dict[str, float]:
    """As Flax counts them for the array that it makes."""
    shape = evidence.part.leaf.shape
    if len(shape) < 2:
        return {}
    own = fans(shape, FLAX)
    found = dict(zip(_MODES, (own.fan_in, own.fan_out, sum(own) / 2), strict=True))
    torch_fans = fans_of(evidence)
    if torch_fans is not None and torch_fans[0] not in found.values():
        # Flax flattens kernels of several axes before it counts.
        found["fan_in of the flattened kernel"] = torch_fans[0]
    return found


def _gain(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """torch's gain multiplies the std, ``variance_scaling``'s scale the variance."""
    own = fans_of(evidence)
    if own is None:
        return
    for mode, fan in zip(_MODES, (*own, sum(own) / 2), strict=True):
        scale = law.std**2 * fan
        if not 0.01 < scale < 100 or abs(scale - 1) < 1e-3:
            continue
        gain = math.sqrt(scale)
        for power, text in ((0.5, f"{gain:.4g} is given as a scale"), (2.0, "it is squared twice")):
            factor = math.sqrt(gain ** (2 * power)) / gain
            for predicted in [scaled(law, factor), *families(law.std * factor)]:
                words = (
                    f"torch's gain {gain:.4g} multiplies the std, the scale of variance_scaling "
                    f"the variance ({mode}, {fan:g}): {text}"
                )
                tier = 2 if is_nice(law, fan) else 3
                yield Hypothesis(Cause.ARGUMENT, predicted, words, tier, f"gain {mode}")


def axes(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """torch reads the first two axes as output and input, Flax the last two as input and output."""
    kind = evidence.part.pair.flax.kind
    shape = evidence.shape
    if kind not in (None, "Embedding", "EmbeddingBag") or len(shape) < 2:
        return
    ours, theirs = fans(evidence.part.leaf.shape, FLAX), fans(shape, TORCH)
    pairs = zip(_MODES, (*theirs, sum(theirs) / 2), (*ours, sum(ours) / 2), strict=True)
    for mode, torch_fan, flax_fan in pairs:
        ratio = math.sqrt(torch_fan / flax_fan)
        if abs(ratio - 1) < 1e-3:
            continue
        words = (
            f"of the shape {shape} torch reads {mode} {torch_fan:g}, Flax {flax_fan:g}: "
            f"{ratio:.3g} of torch's std"
        )
        tier = 2 if is_nice(law, torch_fan) else 3
        for predicted in [scaled(law, ratio), *families(law.std * ratio)]:
            yield Hypothesis(Cause.ARGUMENT, predicted, words, tier, f"axes {mode}")


def other_scale(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """Both follow a fan with a usual scale, but not the same one."""
    own = fans_of(evidence)
    if own is None:
        return
    by_mode = dict(zip(_MODES, (*own, sum(own) / 2), strict=True))
    modes = [mode for mode, fan in by_mode.items() if is_nice(law, fan)]
    if not modes:
        return
    theirs = f"{law.std**2 * by_mode[modes[0]]:.4g} / {modes[0]}"
    for mode, fan in by_mode.items():
        for scale in (1.0, 2.0, 1 / 3):
            for predicted in variance_scaled(scale, fan):
                words = (
                    f"torch's variance is {theirs}, Flax's {scale:.4g} / {mode}: another scale, "
                    f"mode or distribution is given"
                )
                yield Hypothesis(Cause.ARGUMENT, predicted, words, 3, "variance_scaling")
