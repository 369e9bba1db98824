"""Fit the polynomials of fanwise.distributions.normal_quantile for float32, and print them.

For z = quantile(p), x = 2 p - 1 and w = -log(1 - x^2) = -log(4 p (1 - p)), the ratio z / x is a
smooth function of w alone (M. Giles, Approximating the erfinv function, GPU Computing Gems, 2011,
uses the same w for erf_inv). Below the split it is a polynomial in w, above it sqrt(w) times a
polynomial in 1 / sqrt(w), which reaches as far as 37 standard deviations.

Each is fitted to the smallest maximum relative error by Lawson's iteration: least squares, with
weights raised where the error is large.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp

SPLIT = 6.5
FARTHEST = 700.0
DEGREE = 9

Floats = npt.NDArray[np.float64]


def ratio(w: Floats) -> Floats:
    """z / x as a function of w, through log p so that nothing underflows."""
    x = np.sqrt(-np.expm1(-w))
    log_p = -w - np.log(2 * (1 + x))
    return -ndtri_exp(log_p) / x


def fit(t: Floats, scale: Floats, target: Floats) -> tuple[float, Floats]:
    """The largest relative error, and ascending coefficients c with scale * c(t) ~ target."""
    basis = np.vander(t, DEGREE + 1, increasing=True) * (scale / target)[:, None]
    weights = np.ones_like(t)
    best = (np.inf, np.zeros(DEGREE + 1))
    for _ in range(200):
        coefficients = np.linalg.lstsq(basis * weights[:, None], weights, rcond=None)[0]
        errors = np.abs(basis @ coefficients - 1)
        if errors.max() < best[0]:
            best = (float(errors.max()), coefficients)
        weights *= np.sqrt(errors / errors.max() + 1e-3)
        weights /= weights.max()
    return best


def chebyshev_nodes(low: float, high: float) -> Floats:
    """Nodes that crowd at the ends, where a polynomial errs most."""
    angles = np.pi * (np.arange(4000) + 0.5) / 4000
    return (low + high) / 2 + (high - low) / 2 * np.cos(angles)


def main() -> None:
    """Print both polynomials and their errors."""
    w = chebyshev_nodes(1e-9, SPLIT)
    error, coefficients = fit(w - SPLIT / 2, np.ones_like(w), ratio(w))
    print(f"w < {SPLIT}, in w - {SPLIT / 2}: relative error {error:.1e}")
    print(", ".join(f"{c:.9e}" for c in coefficients))
    v = chebyshev_nodes(1 / np.sqrt(FARTHEST), 1 / np.sqrt(SPLIT))
    error, coefficients = fit(v, 1 / v, ratio(1 / v**2))
    print(f"w >= {SPLIT}, sqrt(w) times a polynomial in 1 / sqrt(w): relative error {error:.1e}")
    print(", ".join(f"{c:.9e}" for c in coefficients))


if __name__ == "__main__":
    main()
