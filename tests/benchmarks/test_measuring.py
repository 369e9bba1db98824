"""Turns, spreads, ratios and verdicts."""

import itertools

import pytest

from benchmarks.measuring import Measurement, Rounds, Spread, alternate
from benchmarks.results import Results
from benchmarks.targets import Target, targets_of


def test_everybody_has_a_turn_in_each_round_and_nobody_a_fixed_predecessor():
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "abcd"}
    alternate(calls, Rounds(30, 30, 60))
    rounds = [order[start : start + 4] for start in range(0, 120, 4)]
    assert all(sorted(each) == list("abcd") for each in rounds)
    before = {pair for each in rounds for pair in itertools.pairwise(each)}
    assert len(before) == 12


@pytest.mark.parametrize(
    ("rounds", "count"), [(Rounds(2, 9, 60), 9), (Rounds(1, 9, 0), 1), (Rounds(4, 9, 0), 1)]
)
def test_rounds_end_at_their_number_or_when_the_time_is_spent(rounds, count):
    assert len(list(rounds)) == count


def test_a_spread_is_the_median_and_the_quartiles():
    spread = Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert spread == Spread(3.0, 2.0, 4.0, 5)
    assert spread.relative == pytest.approx(1 / 3)


def results() -> Results:
    def measurement(contestant: str, median: float, **labels: object) -> Measurement:
        spread = Spread(median, median, median, 1)
        return Measurement({"part": "kernels", "contestant": contestant, **labels}, spread)

    return Results([measurement("fanwise", 2.0), measurement("jax", 8.0)])


def test_a_ratio_is_that_of_the_medians():
    both = {"part": "kernels"}
    assert results().ratio({"contestant": "jax"}, {"contestant": "fanwise"}, **both) == 4.0
    assert results().ratio({"contestant": "torch"}, {"contestant": "fanwise"}, **both) is None


def test_labels_that_name_two_measurements_are_refused():
    with pytest.raises(ValueError, match="labels of 2 measurements"):
        results().find(part="kernels")


@pytest.mark.parametrize(
    ("measured", "is_lower_bound", "verdict"),
    [
        (3.0, True, "met"),
        (2.9, True, "NOT met"),
        (3.0, False, "met"),
        (3.1, False, "NOT met"),
        (None, True, "not measured"),
    ],
)
def test_a_verdict_can_be_either(measured, is_lower_bound, verdict):
    assert Target("", measured, 3.0, is_lower_bound).verdict == verdict


def test_nothing_measured_means_no_verdict():
    assert {target.verdict for target in targets_of(Results())} == {"not measured"}
