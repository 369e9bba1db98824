"""Wherever torch refuses, so do we: with a ValueError or a TypeError.

``grid`` is every function with every dtype and with 0 to 6 axes, of which torch takes about half:
there we take what torch takes and nothing else, but for the departures in ``TAKEN_BY_US``.
``REFUSED`` are bad arguments; ``OURS_ALONE`` are nonsense that torch lets pass and we do not.
"""

import math
import warnings
from collections.abc import Callable

import jax
import numpy as np
import torch

from parity.arrays import TORCH_DTYPES, numpy_dtype, precision
from parity.cases import INITIALIZERS, Case

__all__ = [
    "OURS_ALONE",
    "REFUSED",
    "TAKEN_BY_US",
    "compare",
    "compare_one",
    "grid",
    "ours_error",
    "torch_error",
]

_ARGUMENTS = {"constant": {"val": 1}, "sparse": {"sparsity": 0.3}}

# torch has no QR in 16 bits on the CPU; here it is computed in float32 and rounded once.
TAKEN_BY_US = {("orthogonal", "bfloat16"), ("orthogonal", "float16")}

INF, NAN = math.inf, math.nan
PLAIN, KERNEL = (3, 4), (4, 2, 3)

REFUSED = (
    *(Case("uniform", PLAIN, {"a": a, "b": b}) for a, b in ((1, 0), (-INF, INF), (0, INF))),
    *(Case("uniform", PLAIN, {"a": a, "b": 1}) for a in (NAN, "0", None, 1j)),
    Case("uniform", PLAIN, {"a": -3e38, "b": 3e38}, label="range beyond float32"),
    Case("uniform", PLAIN, {"b": 1e39}),
    Case("uniform", PLAIN, {"a": -4e4, "b": 4e4}, dtype="float16", label="range beyond float16"),
    Case("uniform", PLAIN, {"b": 1e5}, dtype="float16"),
    Case("uniform", PLAIN, {"a": -3e38, "b": 3e38}, dtype="bfloat16"),
    *(Case("normal", PLAIN, {"std": std}) for std in (-1, NAN, None, "1", 1j)),
    Case("normal", PLAIN, {"mean": "0"}),
    *(Case("trunc_normal", PLAIN, {"std": std}) for std in (0, "1")),
    *(Case("trunc_normal", PLAIN, {"a": a}) for a in (3.0, NAN, None)),
    *(Case("trunc_normal", PLAIN, {"a": a, "b": INF}) for a in (1, 8.0)),
    Case("trunc_normal", PLAIN, {"a": -INF, "b": -1}),
    *(Case("constant", PLAIN, {"val": val}) for val in ("1", None, 1j, 1e39)),
    *(Case("constant", PLAIN, {"val": val}, dtype="complex64") for val in ("1", None, 1e39)),
    *(Case("constant", PLAIN, {"val": val}, dtype="float16") for val in (1e6, -1e39, 1j)),
    *(
        Case("constant", PLAIN, {"val": val}, dtype="int8")
        for val in (300, -129, 1e6, INF, NAN, 1j)
    ),
    *(Case("constant", PLAIN, {"val": val}, dtype="int32") for val in (2**31, INF, NAN)),
    Case("constant", PLAIN, {"val": 256}, dtype="uint8"),
    *(Case("xavier_uniform", PLAIN, {"gain": gain}) for gain in (-1, NAN, INF, None, "1", 1j)),
    *(Case("xavier_normal", PLAIN, {"gain": gain}) for gain in (-1, NAN, None, "1", 1j)),
    Case("xavier_uniform", PLAIN, {"gain": 1e39}, label="bound beyond float32"),
    *(Case("xavier_uniform", shape) for shape in ((0, 0), (3, 4, 0), (0,))),
    *(Case("xavier_normal", shape) for shape in ((0, 0), (3, 4, 0), (0,))),
    *(
        Case(name, PLAIN, arguments)
        for name in ("kaiming_uniform", "kaiming_normal")
        for arguments in (
            *({"a": a} for a in (True, False, np.float32(0.2), np.int64(1), "0", 1j, NAN)),
            *({"a": a} for a in (1e200, 10**400)),
            *({"mode": mode} for mode in ("fan_avg", "in", "", None, 1)),
            *({"nonlinearity": name} for name in ("gelu", "ReLU", "", None, 1)),
        )
    ),
    *(Case("dirac", KERNEL, {"groups": groups}) for groups in (3, 8, 0, 2.0, None)),
    Case("dirac", (2, 3, 0), label="no centre"),
    *(Case("orthogonal", PLAIN, {"gain": gain}) for gain in ("1", None, 1j)),
    *(Case("sparse", PLAIN, {"sparsity": sparsity}) for sparsity in (NAN, INF, "0", None)),
    *(Case("sparse", PLAIN, {"sparsity": 0.5, "std": std}) for std in (-1, NAN)),
)

OURS_ALONE = (
    Case("kaiming_uniform", PLAIN, {"a": True, "nonlinearity": "relu"}, label="bool, ignored"),
    Case("kaiming_normal", PLAIN, {"a": "0.2", "nonlinearity": "tanh"}, label="text, ignored"),
    *(Case("normal", PLAIN, {"mean": mean}) for mean in (NAN, INF)),
    *(Case("normal", PLAIN, {"std": std}) for std in (INF, True)),
    Case("normal", PLAIN, {"std": 1e39}, label="std beyond float32"),
    Case("uniform", PLAIN, {"a": True, "b": 2}, label="a bool as a bound"),
    *(Case("trunc_normal", PLAIN, {"std": std}) for std in (NAN, INF)),
    Case("trunc_normal", PLAIN, {"std": -1.0, "a": -9, "b": 9}, label="negative std"),
    *(Case("constant", PLAIN, {"val": 0.5}, dtype=dtype) for dtype in ("int32", "uint8", "bool")),
    Case("xavier_normal", PLAIN, {"gain": INF}),
    Case("xavier_uniform", PLAIN, {"gain": True}),
    Case("dirac", KERNEL, {"groups": -2}, label="all zeros in torch"),
    Case("dirac", KERNEL, {"groups": True}),
    *(Case("orthogonal", PLAIN, {"gain": gain}) for gain in (NAN, INF, True)),
    *(Case("sparse", PLAIN, {"sparsity": s}) for s in (-0.4, 1.5, True)),
)


def grid(initializer: str) -> tuple[Case, ...]:
    """A function with every number of axes in float32, and with every dtype."""
    return tuple(
        Case(initializer, (2,) * axes, _ARGUMENTS.get(initializer, {}), dtype=dtype, label="grid")
        for dtype in TORCH_DTYPES
        for axes in (range(7) if dtype == "float32" else (2, 3))
    )


def torch_error(case: Case) -> Exception | None:
    """Run torch's function on the case and return what it raises."""
    tensor = torch.empty(case.shape, dtype=TORCH_DTYPES[case.dtype])
    return _error(lambda: case.torch_function(tensor, **case.kwargs))


def ours_error(case: Case) -> Exception | None:
    """Build our initializer and trace it, which makes all checks and draws nothing."""

    def call() -> None:
        with precision(case.dtype):
            initializer, dtype = case.ours(), numpy_dtype(case.dtype)
            jax.eval_shape(lambda key: initializer(key, case.our_shape, dtype), jax.random.key(0))

    return _error(call)


def _error(call: Callable[[], object]) -> Exception | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return error
    return None


def compare() -> dict[str, tuple[list[str], list[str]]]:
    """Return, for each initializer, the cases and the mismatches."""
    return {initializer: compare_one(initializer) for initializer in INITIALIZERS}


def compare_one(initializer: str) -> tuple[list[str], list[str]]:
    """Return the cases and the mismatches of one initializer."""
    texts, lines = [], []
    for cases, find in (
        (grid(initializer), _grid_mismatch),
        (REFUSED, _mismatch),
        (OURS_ALONE, _departure),
    ):
        for case in cases:
            if case.initializer == initializer:
                texts.append(str(case))
                lines += find(case)
    return texts, lines


def _grid_mismatch(case: Case) -> list[str]:
    theirs, ours = torch_error(case), ours_error(case)
    if theirs is not None and ours is None and (case.initializer, case.dtype) in TAKEN_BY_US:
        return []
    if theirs is None and ours is not None:
        return [f"{case}: torch takes this, we raise {ours!r}"]
    return [] if theirs is None else _refusal(case, theirs, ours)


def _mismatch(case: Case) -> list[str]:
    theirs = torch_error(case)
    if theirs is None:
        return [f"{case}: listed as refused by torch, which takes it"]
    return _refusal(case, theirs, ours_error(case))


def _departure(case: Case) -> list[str]:
    theirs = torch_error(case)
    if theirs is not None:
        return [f"{case}: listed as taken by torch, which raises {theirs!r}"]
    return _refusal(case, None, ours_error(case))


def _refusal(case: Case, theirs: Exception | None, ours: Exception | None) -> list[str]:
    if isinstance(ours, (ValueError, TypeError)):
        return []
    return [f"{case}: torch raises {theirs!r}, we {ours!r}, which is no ValueError or TypeError"]
