"""One figure for several seeds."""

import math

import pytest

from fanwise.signal.profile import is_broken, profile
from tests.signal.synthetic import DECADE, chain, trace_of

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_means_of_logarithms_and_their_range(direction):
    (first, second) = profile([trace_of([0, 1], [0, 1]), trace_of([4, 2], [4, 2])], direction)
    assert (first.mean, first.low, first.high) == pytest.approx((2 * DECADE, 0, 4 * DECADE))
    assert (second.mean, second.low) == pytest.approx((1.5 * DECADE, DECADE))
    assert not first.broken
    assert not first.is_zero


@pytest.mark.parametrize("order", [1, -1])
def test_zeros_and_what_is_not_finite_stay_in_either_order(order):
    traces = [trace_of([0, 0, 0, -INF]), trace_of([-INF, NAN, INF, INF])][::order]
    zero, nan, infinite, both = profile(traces, "forward")
    assert zero.is_zero
    assert zero.mean == -INF
    assert all(map(math.isnan, (nan.mean, nan.low, nan.high)))
    assert [point.broken for point in (zero, nan, infinite, both)] == [False, True, True, True]
    assert math.isnan(both.mean)


def test_what_was_not_measured_is_not_broken():
    layer = {0: {"log_second_moment": NAN, "finite": 1.0}}
    trace = trace_of([0.0], layers=layer)
    assert not is_broken(trace.layers[0], "forward")
    assert math.isnan(profile([trace], "forward")[0].mean)


def test_theory_is_that_of_its_direction():
    fields = {"log_expected": 1.0, "log_expected_gradient": 2.0}
    traces = [chain(2, 0.0, layers={0: fields})]
    forward, backward = (
        [point.expected for point in profile(traces, direction)]
        for direction in ("forward", "backward")
    )
    assert (forward[0], backward[0]) == (1.0, 2.0)
    assert math.isnan(forward[1])
    assert math.isnan(backward[1])
