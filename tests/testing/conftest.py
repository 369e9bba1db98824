"""How often a check may fail, or must, in repeated experiments with fixed seeds."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fanwise.testing import Check

# A count as far out as this is no accident; seeds are fixed, so a test that passes keeps passing.
_ACCIDENT = 1e-6

Experiment = Callable[[np.random.Generator], Check]


@pytest.fixture
def alarms() -> Callable[[Experiment, int], int]:
    """Run an experiment with seeds 0, 1, ... and count the checks that fail."""

    def count(experiment: Experiment, trials: int) -> int:
        checks = (experiment(np.random.default_rng(seed)) for seed in range(trials))
        return sum(not check.passed for check in checks)

    return count


@pytest.fixture
def allowed() -> Callable[[int, float], int]:
    """Most failures that agree with a rate."""
    return lambda trials, rate: int(stats.binom.isf(_ACCIDENT, trials, rate))


@pytest.fixture
def expected() -> Callable[[int, float], int]:
    """Fewest failures that agree with a rate."""
    return lambda trials, rate: int(stats.binom.ppf(_ACCIDENT, trials, rate))
