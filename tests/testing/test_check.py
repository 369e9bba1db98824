import dataclasses
import math

import pytest

from fanwise.testing import Budget, Check, require


def make(statistic=0.5, threshold=1.0, **changes):
    check = Check("mean", statistic, threshold, 1e-9, 2.0, 100, "std")
    return dataclasses.replace(check, **changes)


def test_share_and_passed():
    assert make().passed
    assert make().share == 0.5
    assert make(1.0).passed
    assert not make(math.nextafter(1.0, 2.0)).passed


@pytest.mark.parametrize("statistic", [math.nan, math.inf])
def test_what_is_not_finite_never_passes(statistic):
    for threshold in (0.0, 1.0, math.inf, math.nan):
        check = make(statistic, threshold)
        assert not check.passed
        assert check.share == math.inf
        assert check.statistic == math.inf


def test_a_threshold_that_is_nan_fails():
    assert not make(0.0, math.nan).passed


def test_share_of_a_zero_threshold():
    assert make(0.0, 0.0).share == 0.0
    assert make(0.0, 0.0).passed
    assert make(1.0, 0.0).share == math.inf
    assert not make(1.0, 0.0).passed


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().statistic = 0.0


def test_str_tells_the_story():
    assert str(make(2.0)) == (
        "mean: FAILED, 2 where at most 1 std is allowed (n=100, false alarms 1e-09, notices 2 std)"
    )
    assert str(make()).startswith("mean: passed, 0.5 ")


def test_require():
    require()
    require(make(), make(0.1))
    with pytest.raises(AssertionError, match=r"(?s)1 of 2 checks failed:.mean: FAILED, 3 where"):
        require(make(), make(3.0))


def test_budget_is_shared_equally():
    budget = Budget(total=1e-6, assertions=4000)
    assert budget.each == pytest.approx(2.5e-10)
    assert budget.each * budget.assertions == pytest.approx(budget.total)
    assert Budget() == Budget(1e-6, 1)


@pytest.mark.parametrize("total", [0.0, 1.0, -1e-6, math.nan, 1e-19])
def test_budget_refuses_what_is_no_rate(total):
    with pytest.raises(ValueError, match="Budget: total must be at least 1e-18 and less than 1"):
        Budget(total=total)


def test_budget_refuses_bad_counts():
    with pytest.raises(ValueError, match="assertions must be at least 1, got 0"):
        Budget(assertions=0)
    with pytest.raises(TypeError):
        Budget(assertions=2.5)
    with pytest.raises(ValueError, match="total / assertions must be at least"):
        Budget(total=1e-10, assertions=10**9)
