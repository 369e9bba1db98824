"""Planted errors in what is drawn: initializers that are wrong, each in one way.

They are the mistakes that ports make, and samplers that are bad in themselves. Each one is a
function of a case that builds ``(key, shape, dtype) -> array`` in the case's layout, for the
checks of ``parity.statistical`` to catch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import initializers as jax_initializers

import fanwise
from fanwise.distributions import Distribution, Normal, TruncatedNormal, Uniform
from parity.cases import CONV2D, DEPTHWISE, LINEAR_TALL, LINEAR_WIDE, Case
from parity.many import Initializer

__all__ = ["PLANTED", "Planted"]


@dataclass(frozen=True)
class Planted:
    """One error.

    Args:
        error: what is wrong, in a few words.
        case: where it is planted.
        make: builds the wrong initializer.
    """

    error: str
    case: Case
    make: Callable[[Case], Initializer]


def _drawing(wrong: Callable[[Case, Distribution], Distribution]) -> Callable[[Case], Initializer]:
    """An error in the Distribution: it is drawn as it should be, but it is another one."""

    def make(case: Case) -> Initializer:
        right = case.ours().distribution(case.our_shape)
        return wrong(case, right).sample

    return make


def _scaled(factor: float) -> Callable[[Case], Initializer]:
    def wrong(case: Case, right: Distribution) -> Distribution:
        if isinstance(right, Normal):
            return Normal(right.mean, factor * right.std)
        assert isinstance(right, Uniform)
        return Uniform(factor * right.low, factor * right.high)

    return _drawing(wrong)


def _truncated(case: Case, right: Distribution) -> Distribution:
    """Cut at two standard deviations and scaled up to the same std, as jax does."""
    assert isinstance(right, Normal)
    parent = right.std / TruncatedNormal(0, 1, -2, 2).std
    return TruncatedNormal(right.mean, parent, right.mean - 2 * parent, right.mean + 2 * parent)


def _as_uniform(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, Normal)
    half = math.sqrt(3) * right.std
    return Uniform(right.mean - half, right.mean + half)


def _as_normal(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, Uniform)
    return Normal(right.mean, right.std)


def _one_sided(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, Uniform)
    return Uniform(0.0, 2 * right.high)


def _units_of_std(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, TruncatedNormal)
    return replace(right, low=right.low * right.scale, high=right.high * right.scale)


def _std_after(case: Case, right: Distribution) -> Distribution:
    """The std meant for what is drawn, not for the normal before truncation."""
    assert isinstance(right, TruncatedNormal)
    return replace(right, scale=right.scale**2 / right.std)


def _variance_as_std(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, Normal)
    return Normal(right.mean, right.std**2)


def _shifted(case: Case, right: Distribution) -> Distribution:
    assert isinstance(right, Normal)
    return Normal(right.mean + 0.02 * right.std, right.std)


def _called(**arguments: object) -> Callable[[Case], Initializer]:
    """An error in the call: other arguments than the case's."""

    def make(case: Case) -> Initializer:
        return getattr(fanwise, case.initializer)(
            **{**case.kwargs, "layout": case.layout, **arguments}
        )

    return make


def _bent(bend: Callable[[jax.Array, Case], jax.Array]) -> Callable[[Case], Initializer]:
    """An error in the values: what was drawn well is spoiled afterwards."""

    def make(case: Case) -> Initializer:
        right = case.ours()
        return lambda key, shape, dtype: bend(right(key, shape, dtype), case)

    return make


def _same_key(case: Case) -> Initializer:
    right = case.ours()
    return lambda key, shape, dtype: right(jax.random.key(0), shape, dtype)


def _seven_keys(case: Case) -> Initializer:
    """A seed taken from a small range: keys collide now and then."""
    right = case.ours()

    def initializer(key: jax.Array, shape: tuple[int, ...], dtype: np.dtype) -> jax.Array:
        seed = jax.random.bits(key, dtype=jnp.uint32) % np.uint32(7)
        return right(jax.random.fold_in(jax.random.key(0), seed), shape, dtype)

    return initializer


def _rows_repeated(values: jax.Array, case: Case) -> jax.Array:
    """The second half of the first axis repeats the first half."""
    half = values.shape[0] // 2
    return values.at[half : 2 * half].set(values[:half])


def _one_row_repeated(values: jax.Array, case: Case) -> jax.Array:
    return values.at[-1].set(values[3])


def _mirrored(values: jax.Array, case: Case) -> jax.Array:
    """Antithetic: the second half is minus the first half."""
    half = values.shape[0] // 2
    return values.at[half : 2 * half].set(-values[:half])


def _smeared(values: jax.Array, case: Case) -> jax.Array:
    """Neighbours correlated by a twentieth, the variance kept."""
    share = np.asarray(0.05, values.dtype)
    rest = np.asarray(math.sqrt(1 - 0.05**2), values.dtype)
    return rest * values + share * jnp.roll(values, 1, axis=-1)


def _positive(values: jax.Array, case: Case) -> jax.Array:
    return jnp.abs(values)


def _clipped(case: Case) -> Initializer:
    """Values outside are put on the bounds instead of drawn again."""
    right = case.ours().distribution(case.our_shape)
    assert isinstance(right, TruncatedNormal)
    whole = Normal(right.loc, right.scale)
    return lambda key, shape, dtype: jnp.clip(
        whole.sample(key, shape, dtype), right.low, right.high
    )


def _closed(values: jax.Array, case: Case) -> jax.Array:
    """The upper end included, as by rounding without a second thought."""
    low, high = (np.asarray(case.kwargs[name], values.dtype) for name in "ab")
    return jnp.where(values == low, high, values)


def _coarse(values: jax.Array, case: Case) -> jax.Array:
    """Eight random bits where float32 has twenty-three."""
    high = np.float32(case.kwargs["b"])
    return jnp.floor(values / high * 128) / 128 * high


def _without_field(case: Case) -> Initializer:
    """Fans of the channels alone."""
    narrow = (*case.our_shape[-2:],)
    return case.ours().distribution(narrow).sample


NORMAL = Case("normal", LINEAR_WIDE)
KAIMING_NORMAL = Case("kaiming_normal", CONV2D)
KAIMING_UNIFORM = Case("kaiming_uniform", CONV2D)
XAVIER_NORMAL = Case("xavier_normal", LINEAR_TALL, {"gain": 5 / 3})
XAVIER_UNIFORM = Case("xavier_uniform", LINEAR_WIDE)
TRUNCATED = Case("trunc_normal", CONV2D, {"std": 0.02, "a": -0.04, "b": 0.04})
SYMMETRIC = Case("uniform", CONV2D, {"a": -0.1, "b": 0.1})

PLANTED = (
    Planted("fans swapped", KAIMING_NORMAL, _called(mode="fan_out")),
    Planted("fans of another layout", KAIMING_UNIFORM, _called(layout="...OI")),
    Planted("gain off by 2 %", XAVIER_UNIFORM, _scaled(1.02)),
    Planted("gain off by 2 %", XAVIER_NORMAL, _scaled(0.98)),
    Planted("gain of sqrt(2) missing", KAIMING_NORMAL, _called(nonlinearity="linear")),
    Planted("gain twice", KAIMING_UNIFORM, _scaled(math.sqrt(2))),
    Planted("tanh's own gain for torch's", XAVIER_NORMAL, _scaled(1.5925374 / (5 / 3))),
    Planted("receptive field left out", KAIMING_NORMAL, _without_field),
    Planted(
        "fans divided by groups",
        Case("xavier_normal", DEPTHWISE),
        _scaled(math.sqrt((1 + 192) / (1 + 1))),
    ),
    Planted("std off by 1 %", NORMAL, _scaled(1.01)),
    Planted("mean off by 0.02 std", NORMAL, _drawing(_shifted)),
    Planted(
        "variance for std", Case("normal", LINEAR_WIDE, {"std": 0.02}), _drawing(_variance_as_std)
    ),
    Planted("truncated for normal", KAIMING_NORMAL, _drawing(_truncated)),
    Planted("truncated for normal", XAVIER_NORMAL, _drawing(_truncated)),
    Planted("uniform for normal", XAVIER_NORMAL, _drawing(_as_uniform)),
    Planted("normal for uniform", KAIMING_UNIFORM, _drawing(_as_normal)),
    Planted("[0, 2b) for [-b, b)", KAIMING_UNIFORM, _drawing(_one_sided)),
    Planted("[0, 2b) for [-b, b)", SYMMETRIC, _drawing(_one_sided)),
    Planted("bounds in units of std", TRUNCATED, _drawing(_units_of_std)),
    Planted("std after truncation", TRUNCATED, _drawing(_std_after)),
    Planted("clipped, not truncated", TRUNCATED, _clipped),
    Planted(
        "jax's own bfloat16",
        Case("normal", LINEAR_WIDE, dtype="bfloat16"),
        lambda case: jax_initializers.normal(1.0),
    ),
    Planted(
        "closed interval",
        Case("uniform", LINEAR_TALL, {"a": -0.05, "b": 0.05}, dtype="bfloat16"),
        _bent(_closed),
    ),
    Planted("256 values", SYMMETRIC, _bent(_coarse)),
    Planted("the same key for every weight", NORMAL, _same_key),
    Planted("seven keys for all weights", NORMAL, _seven_keys),
    Planted("half of the rows repeated", XAVIER_UNIFORM, _bent(_rows_repeated)),
    Planted("one row repeated", NORMAL, _bent(_one_row_repeated)),
    Planted("second half minus the first", NORMAL, _bent(_mirrored)),
    Planted("neighbours correlated by 0.05", NORMAL, _bent(_smeared)),
    Planted("absolute values", KAIMING_NORMAL, _bent(_positive)),
)
