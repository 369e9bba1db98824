"""Whether random matrices with orthonormal columns are spread as Haar says.

That Q^T Q = I says nothing about how Q was drawn: the identity passes, and so does the Q of a QR
factorization whose signs were left as the algorithm happened to choose them. Haar's measure is
the one that no rotation changes, from the left or from the right. Its moments are known, and any
unit vector's image is uniform on the sphere, so that one coordinate x of it has
(1 + x) / 2 ~ Beta((d - 1) / 2, (d - 1) / 2).

References: F. Mezzadri, How to generate random matrices from the classical compact groups,
Notices of the AMS 54 (2007) 592; P. Diaconis and M. Shahshahani, On the eigenvalues of random
matrices, Journal of Applied Probability 31A (1994) 49, for the trace; B. Collins and P. Śniady,
Integration with respect to the Haar measure on unitary, orthogonal and symplectic group,
Communications in Mathematical Physics 264 (2006) 773, for products of entries.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from fanwise.testing import Check, ks
from parity.bounded_mean import bounded_mean_check

__all__ = ["CHECKS", "haar_checks"]

Float64s = npt.NDArray[np.float64]

CHECKS = 13
"""Number of assertions for square matrices; others have fewer."""

# Entries computed in float32 are within a few roundings of exact ones; their fourth powers and
# the sums of up to eight of them, too. Cdfs move by less than twice as much for d >= 3.
_SLACK = 1e-5


def haar_checks(matrices: npt.ArrayLike, false_alarm: float) -> tuple[Check, ...]:
    """Check that matrices are independent and Haar-distributed.

    Args:
        matrices: shape (n, d, k): n independent matrices with orthonormal columns, or with
            orthonormal rows if d < k; the larger one of d and k at least 3.
        false_alarm: of each check.

    Returns:
        The checks. Each says in its own unit what it notices.
    """
    q = np.asarray(matrices, np.float64)
    if q.shape[1] < q.shape[2]:
        q = q.transpose(0, 2, 1)
    return (
        *_entries(q, false_alarm),
        *_directions(q, false_alarm),
        *_joint(q, false_alarm),
        *(_whole(q, false_alarm) if q.shape[1] == q.shape[2] else ()),
    )


def _entries(q: Float64s, rate: float) -> tuple[Check, ...]:
    """Moments of single entries: those of a coordinate of a uniform point on the sphere."""
    d = q.shape[1]
    return (
        bounded_mean_check("entry", q, 0, (-1, 1), rate, _SLACK),
        bounded_mean_check("entry^2", q**2, 1 / d, (0, 1), rate, _SLACK),
        bounded_mean_check("entry^4", q**4, 3 / (d * (d + 2)), (0, 1), rate, _SLACK),
    )


def _directions(q: Float64s, rate: float) -> tuple[Check, ...]:
    """One coordinate of an entry's column, after rotations from either side."""
    _, d, k = q.shape
    shape = stats.beta((d - 1) / 2, (d - 1) / 2)
    # Unit vectors that favour no axis, of unequal entries.
    left, right = (np.arange(1.0, size + 1) for size in (d, k))
    left, right = left / np.linalg.norm(left), right / np.linalg.norm(right)
    rotated = {
        "first entry": q[:, 0, 0],
        "last entry": q[:, -1, -1],
        "rotated left": np.einsum("d,nd->n", left, q[:, :, 0]),
        "rotated": np.einsum("d,ndk,k->n", left, q, right),
    }
    return tuple(
        replace(ks(x, lambda x: shape.cdf((1 + x) / 2), rate, slack=_SLACK), name=name)
        for name, x in rotated.items()
    )


def _joint(q: Float64s, rate: float) -> tuple[Check, ...]:
    """Products of entries of one matrix, and of two neighbouring matrices."""
    n, d, k = q.shape
    pairs = q[: n // 2 * 2].reshape(n // 2, 2, d, k)
    checks = [
        bounded_mean_check("two matrices", pairs.prod(axis=1), 0, (-1, 1), rate, _SLACK),
    ]
    if k >= 2:
        # Columns are orthogonal, so a two by two minor leans to determinants: hence the minus.
        minor = q[:, :2, :2].reshape(n, 4).prod(axis=1)
        diagonal = q[:, 0, 0] ** 2 * q[:, 1, 1] ** 2
        total = (d - 1) * d * (d + 2)
        # Two entries of a unit vector have a product of at most 1/2.
        checks += [
            bounded_mean_check("minor", minor, -1 / total, (-0.25, 0.25), rate, _SLACK),
            bounded_mean_check("diagonal^2", diagonal, (d + 1) / total, (0, 1), rate, _SLACK),
        ]
    return tuple(checks)


def _whole(q: Float64s, rate: float) -> tuple[Check, ...]:
    """Trace and determinant of square matrices: half of them are reflections."""
    d = q.shape[1]
    trace = np.trace(q, axis1=1, axis2=2)
    sign = np.sign(np.linalg.det(q))
    return (
        bounded_mean_check("trace", trace, 0, (-d, d), rate, _SLACK),
        bounded_mean_check("trace^2", trace**2, 1, (0, d**2), rate, _SLACK * d),
        bounded_mean_check("determinant", sign, 0, (-1, 1), rate),
    )
