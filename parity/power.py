"""Power: errors are planted, and every one must be caught.

A check that cannot fail proves nothing. Each planted error goes through the very checks that ours
go through, at the same false-alarm rates, and counts as caught if one of them fails.
"""

from collections.abc import Callable, Iterable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

import fanwise
from fanwise.distributions import Distribution, Normal, Uniform
from fanwise.testing import Check
from parity import equality, haar, haar_draws, sparsity
from parity.cases import CONV2D, LINEAR_TALL, Case
from parity.drawing import draw
from parity.many import of_jax
from parity.orthogonality import gram_check
from parity.planted import PLANTED, Planted
from parity.progress import SILENT, Progress
from parity.request import of_case, our_request
from parity.result import Finding
from parity.seeding import typed_key
from parity.statistical import checks_of, plan
from parity.structural import BUDGET
from parity.workers import workers

__all__ = ["EXACT", "STRUCTURAL", "caught_by", "run"]


def caught_by(planted: Planted, seed: int) -> tuple[str, ...]:
    """Return the names of the statistical checks that fail for a planted error."""
    how = plan(planted.case)
    name = f"power {planted.error} {planted.case}"
    initializer = planted.make(planted.case)
    weights = of_jax(planted.case, initializer, how.weights, seed, name)
    return tuple(check.name for check in checks_of(weights, how) if not check.passed)


def run(seed: int, progress: Progress = SILENT) -> list[Finding]:
    """Plant all errors."""
    found = []
    with workers() as pool:
        results = pool.map(partial(_caught, seed=seed), range(len(PLANTED)))
        for planted in progress.track(PLANTED, "power: planted in samples"):
            text = f"{planted.error}: {planted.case}"
            found.append(_finding(planted.case.initializer, text, bool(next(results))))
    for initializer, error, is_caught in progress.track(
        (*EXACT, *STRUCTURAL), "power: planted in arguments and structure"
    ):
        found.append(_finding(initializer, error, is_caught(seed)))
    return found


def _caught(number: int, seed: int) -> tuple[str, ...]:
    return caught_by(PLANTED[number], seed)


def _finding(initializer: str, error: str, caught: bool) -> Finding:
    mismatches = () if caught else (f"not caught: {error}",)
    return Finding(initializer, "power", cases=(error,), mismatches=mismatches)


# Errors too small for any sample, which the comparison of arguments sees.


def _asks_otherwise(case: Case, wrong: Callable[[], Distribution]) -> Callable[[int], bool]:
    return lambda seed: not of_case(case).agrees(our_request(wrong))


_KAIMING = Case("kaiming_normal", CONV2D)
_STD = float(np.sqrt(2 / 144))

EXACT: tuple[tuple[str, str, Callable[[int], bool]], ...] = (
    (
        "kaiming_normal",
        "slope 0.01 for 0",
        _asks_otherwise(
            _KAIMING, lambda: fanwise.kaiming_normal(a=0.01).distribution((3, 3, 16, 128))
        ),
    ),
    (
        "kaiming_normal",
        "std off by 1e-11",
        _asks_otherwise(_KAIMING, lambda: Normal(0.0, _STD * (1 + 1e-11))),
    ),
    (
        "kaiming_uniform",
        "a=2.236 for sqrt(5)",
        _asks_otherwise(
            Case("kaiming_uniform", LINEAR_TALL, {"a": 5**0.5}),
            lambda: fanwise.kaiming_uniform(a=2.236).distribution((48, 768)),
        ),
    ),
    (
        "uniform",
        "bounds rounded to float32",
        _asks_otherwise(
            Case("uniform", CONV2D, {"a": -0.1, "b": 0.1}),
            lambda: Uniform(float(np.float32(-0.1)), float(np.float32(0.1))),
        ),
    ),
)


# Errors in the structure of a weight.

_DIRAC = Case("dirac", (8, 4, 4, 3), {"groups": 2})


def _differs(case: Case, wrong: Callable[..., jax.Array]) -> Callable[[int], bool]:
    def is_caught(seed: int) -> bool:
        (drawn,) = draw([case], lambda _: wrong, seed)
        assert not isinstance(drawn, Exception)
        return bool(equality.mismatch(case, drawn))

    return is_caught


def _early_centre(key: jax.Array, shape: tuple[int, ...], dtype: npt.DTypeLike) -> jax.Array:
    """One at (k - 1) // 2, where jax has it: another place for even kernels."""
    kernel = fanwise.dirac(groups=2)(key, shape, dtype)
    return jnp.roll(kernel, -1, axis=0)


def _sparse_in_rows(seed: int) -> bool:
    case = Case("sparse", (50, 8), {"sparsity": 0.1})
    wrong = fanwise.sparse(0.1)(typed_key(seed, "sparse in rows"), (50, 8))
    return bool(sparsity.count_mismatch(case, np.asarray(wrong)))


def _sparse_rounded_down(seed: int) -> bool:
    case = Case("sparse", (55, 8), {"sparsity": 0.1})
    wrong = fanwise.sparse(5 / 55)(typed_key(seed, "sparse rounded down"), (8, 55))
    return bool(sparsity.count_mismatch(case, np.asarray(wrong).T))


def _sparse_in_front(seed: int) -> bool:
    """The right number of zeros, always in the first rows."""
    wrong = np.sort(sparsity.many_ours(seed) == 0, axis=1)[:, ::-1]
    values = np.where(wrong, 0.0, np.asarray(_normals(seed, wrong.shape)) * sparsity.STD)
    return _any_fails(sparsity.position_checks(values, BUDGET.each))


def _normals(seed: int, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(typed_key(seed, "normals"), shape)


def _signs_left(seed: int) -> bool:
    """Q as the factorization leaves it, the signs of R's diagonal not fixed."""
    q, _ = np.linalg.qr(np.asarray(_normals(seed, (haar_draws.MATRICES, 3, 3)), np.float64))
    return _any_fails(haar.haar_checks(q, BUDGET.each))


def _not_orthogonal(seed: int) -> bool:
    weight = np.asarray(_normals(seed, (24, 96))) / np.sqrt(np.float32(96))
    return not gram_check(weight, 1.0).passed


def _gain_as_variance(seed: int) -> bool:
    weight = np.asarray(fanwise.orthogonal(2.0)(typed_key(seed, "gain"), (24, 96)))
    return not gram_check(weight, 2.0**0.5).passed


def _any_fails(checks: Iterable[Check]) -> bool:
    return any(not check.passed for check in checks)


STRUCTURAL: tuple[tuple[str, str, Callable[[int], bool]], ...] = (
    ("dirac", "centre at (k - 1) // 2", _differs(_DIRAC, _early_centre)),
    ("dirac", "groups ignored", _differs(_DIRAC, fanwise.dirac())),
    (
        "eye",
        "ones on the other diagonal",
        _differs(
            Case("eye", (5, 20)),
            lambda key, shape, dtype: jnp.flip(fanwise.eye()(key, shape, dtype), 0),
        ),
    ),
    ("sparse", "zeros counted in rows", _sparse_in_rows),
    ("sparse", "zeros rounded down", _sparse_rounded_down),
    ("sparse", "zeros in the first rows", _sparse_in_front),
    ("orthogonal", "signs of R left", _signs_left),
    ("orthogonal", "a scaled normal", _not_orthogonal),
    ("orthogonal", "gain taken for its square", _gain_as_variance),
)
