"""Whether values follow a scalar distribution, with a stated false-alarm rate.

Three statistics: the distance of the empirical cdf (Dvoretzky-Kiefer-Wolfowitz-Massart bound),
the mean and the mean square (z-tests). Each raises a false alarm with a probability below 1e-9,
so that sweeps over seeds stay quiet. With 200,000 values a shift of the mean by 0.014 std and a
std off by 1 to 2 % are noticed, and a truncated normal in place of a normal.
"""

import math
import statistics

import numpy as np

_FALSE_ALARM = 1e-9
_SIGMAS = statistics.NormalDist().inv_cdf(1 - _FALSE_ALARM / 2)


def disagreements(values, distribution) -> list[str]:
    """What speaks against ``values`` being drawn from ``distribution``, a sentence each."""
    x = np.sort(np.asarray(values, np.float64).ravel())
    n = x.size
    found = []
    low, high = distribution.support
    if not (low <= x[0] and x[-1] <= high):
        found.append(f"values from {x[0]} to {x[-1]} leave the support [{low}, {high}]")
    cdf = distribution.cdf(x)
    steps = np.arange(n + 1) / n
    distance = max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
    bound = math.sqrt(math.log(2 / _FALSE_ALARM) / (2 * n))
    if distance > bound:
        found.append(f"the cdf is off by {distance:.4f}, more than {bound:.4f}")
    squares = ((x - distribution.mean) / distribution.std) ** 2
    z = (x.mean() - distribution.mean) / distribution.std * math.sqrt(n)
    if abs(z) > _SIGMAS:
        found.append(f"the mean is off by {z:.1f} standard errors")
    z = (squares.mean() - 1) / squares.std() * math.sqrt(n)
    if abs(z) > _SIGMAS:
        found.append(f"the mean square is off by {z:.1f} standard errors")
    return found


def assert_drawn_from(values, distribution) -> None:
    """Fail with every statistic by which ``values`` differ from ``distribution``."""
    found = disagreements(values, distribution)
    assert not found, f"{distribution}: {'; '.join(found)}"
