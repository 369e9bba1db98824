"""Which rule is recommended: planted winners are found, and none is invented."""

import math
import random

import pytest

from fanwise.signal.drift import drift_of
from fanwise.signal.recommend import BAD, UNNOTICED, recommendation
from tests.signal.synthetic import chain, trace_of

INF, NAN = math.inf, math.nan
SEEDS = 8


def _rule(slope, backward=None, depth=13, **options):
    """Eight equal traces: what is between two rules is no noise."""
    backward = slope if backward is None else backward
    return tuple(chain(depth, slope, backward, **options) for _ in range(SEEDS))


def _noisy(drifts, depth=13):
    """Traces that drift by each of the given decades, forward and backward."""
    return tuple(chain(depth, drift / (depth - 3), drift / (depth - 3)) for drift in drifts)


def test_a_rule_that_vanishes_is_not_best():
    found = recommendation({"bad": _rule(-0.5), "good": _rule(0.0)})
    assert found.best == ("good",)
    assert found.matters
    assert str(found).startswith("good is best. bad, the next one, drifts by 5.0 decades more.")
    assert found.drifts["bad"].forward == pytest.approx(5.0)


def test_a_rule_that_explodes_is_not_best():
    assert recommendation({"bad": _rule(0.4), "good": _rule(-0.1)}).best == ("good",)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_rule_that_breaks_is_not_best_even_for_one_seed(value):
    broken = (*_rule(0.0)[1:], trace_of([0.0] * 12 + [value]))
    found = recommendation({"broken": broken, "poor": _rule(-0.4)})
    assert found.best == ("poor",)
    assert found.matters
    assert "No other rule carries the signal." in found.text
    assert "With broken the signal or the gradient ends" in found.text


def test_equal_rules_tie_and_the_choice_does_not_matter():
    found = recommendation({"a": _rule(0.1), "b": _rule(0.1), "c": _rule(-0.1)})
    assert found.best == ("a", "b", "c")
    assert not found.matters
    assert str(found).startswith("The choice does not matter here: the drifts of a, b and c are")


def test_a_tie_broken_by_two_decades_in_one_direction_is_noticed():
    found = recommendation({"a": _rule(0.0), "b": _rule(0.2, 0.0), "c": _rule(0.0)})
    assert found.best == ("a", "c")
    assert found.matters
    assert str(found).startswith("a and c are equally good, and best. b, the next one")


@pytest.mark.parametrize(("apart", "matters"), [(0.98, False), (1.02, True)])
def test_half_a_decade_is_not_noticed_and_more_is(apart, matters):
    assert UNNOTICED == 0.5
    found = recommendation({"a": _rule(0.0), "b": _noisy([apart * UNNOTICED] * SEEDS)})
    assert found.matters is matters


def test_one_decade_in_one_direction_is_half_a_decade_weighed():
    assert not recommendation({"a": _rule(0.0), "b": _rule(0.0999, 0.0)}).matters
    assert recommendation({"a": _rule(0.0), "b": _rule(0.1001, 0.0)}).matters
    assert recommendation({"a": _rule(0.0), "b": _rule(0.0999, 0.0)}, backward=0).matters


def test_a_difference_within_the_noise_of_the_seeds_is_none(seed):
    """Drifts whose std is 3 decades differ by 1.5 on average: standard error 3 / sqrt(8) = 1.06."""
    draw = random.Random(seed)
    base = [draw.uniform(4.0, 5.0) for _ in range(SEEDS)]
    noise = [3.0, -3.0] * (SEEDS // 2)
    assert not recommendation(
        {"a": _noisy(base), "b": _noisy([b + n + 1.5 for b, n in zip(base, noise, strict=True)])}
    ).matters
    # The same difference without the noise, though the seeds themselves still differ.
    assert recommendation({"a": _noisy(base), "b": _noisy([b + 1.5 for b in base])}).matters


def test_the_error_is_that_of_the_difference():
    """Three standard errors: differences of 1 +- e have mean 1 and error e / sqrt(7)."""
    for scale, matters in ((0.98, True), (1.02, False)):
        spread = scale * math.sqrt(7) / 3
        own = [2.0] * SEEDS
        other = [3.0 + spread, 3.0 - spread] * (SEEDS // 2)
        assert recommendation({"a": _noisy(own), "b": _noisy(other)}).matters is matters


def test_different_numbers_of_seeds_can_be_compared():
    assert recommendation({"a": _rule(0.0)[:3], "b": _rule(-0.4)}).best == ("a",)


def test_weights_decide_between_forward_and_backward():
    rules = {"steady": _rule(0.0, 0.3), "gradient": _rule(0.3, 0.0)}
    assert recommendation(rules, 1, 1).best == ("steady", "gradient")
    assert recommendation(rules, 1, 0).best == ("steady",)
    assert recommendation(rules, 0, 1).best == ("gradient",)
    assert recommendation(rules, 3, 1).best == recommendation(rules, 0.3, 0.1).best == ("steady",)
    assert "weighed 3 to 1" in recommendation(rules, 3, 1).text


def test_a_direction_without_weight_does_not_count_even_if_it_is_lost():
    broken = tuple(trace_of([0.0] * 7, [NAN] * 7) for _ in range(SEEDS))
    found = recommendation({"a": broken, "b": _rule(-0.2, 0.0, depth=7)}, backward=0)
    assert found.best == ("a",)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ((-1, 1), ValueError),
        ((1, NAN), ValueError),
        ((INF, 1), ValueError),
        ((0, 0), ValueError),
        (("1", 1), TypeError),
        ((True, 1), TypeError),
    ],
)
def test_bad_weights_are_refused(weights, error):
    with pytest.raises(error, match=r"recommend: (forward|backward)"):
        recommendation({"a": _rule(0.0)}, *weights)


def test_none_is_praised_where_all_lose_the_signal():
    found = recommendation({"a": _rule(-0.9), "b": _rule(-0.7)})
    assert found.best == ()
    assert found.matters
    assert str(found).startswith("None of the rules carries the signal: the layers drift apart by")
    assert "7.0 decades or more, with b least of all" in found.text
    just_good = recommendation({"a": _noisy([BAD - 0.1] * SEEDS)})
    assert just_good.best == ("a",)
    assert recommendation({"a": _noisy([BAD + 0.1] * SEEDS)}).best == ()


def test_all_broken():
    broken = tuple(trace_of([NAN] * 4, [NAN] * 4) for _ in range(2))
    found = recommendation({"a": broken, "b": broken})
    assert found.best == ()
    assert not found.matters
    assert (
        "each of them ends in zeros or in values that are not finite, for some seed" in found.text
    )
    assert "forward lost  backward lost  weighed inf" in found.text


def test_figures_stand_in_the_text_with_their_errors():
    traces = _noisy([1.0, 2.0, 3.0, 2.0])
    text = recommendation({"a": traces}).text
    # std 0.816 of four: standard error 0.41.
    assert "a  forward 2.0 ± 0.4  backward 2.0 ± 0.4  weighed 2.0" in text
    assert text.startswith("There is only a, and it carries the signal.")
    assert [drift_of(trace).forward for trace in traces] == pytest.approx([1, 2, 3, 2])


def test_one_seed_says_that_noise_is_not_known():
    found = recommendation({"a": _rule(0.0)[:1], "b": _rule(-0.2)[:1]})
    assert found.best == ("a",)
    assert "(one seed)" in found.text
    assert "the noise is not known" in found.text
    assert "the noise is not known" not in recommendation({"a": _rule(0.0)}).text


def test_either_of_fan_in_and_fan_out_is_enough_for_a_chain():
    """He et al.: widths 64 to 512, so that each drifts by 0.9 decades in one direction."""
    widths = [64] * 4 + [128] * 4 + [256] * 4 + [512] * 4
    logs = [math.log10(64 / width) for width in widths]
    shapes = {at: {"shape": (8, width)} for at, width in enumerate(widths)}
    flat = [0.0] * len(widths)
    rules = {
        "fan_in": tuple(trace_of(flat, [-each for each in logs], layers=shapes) for _ in range(3)),
        "fan_out": tuple(trace_of(logs, flat, layers=shapes) for _ in range(3)),
    }
    found = recommendation(rules)
    assert not found.matters
    assert "here of widths from 64 to 512, which does not grow with depth" in found.text
    assert "either is enough (He et al. 2015, section 2.2)" in found.text
    rules["xavier"] = _rule(-0.3, depth=len(widths))[:3]
    found = recommendation(rules)
    assert found.matters
    assert found.best == ("fan_in", "fan_out")
    assert "either is enough" in found.text


def test_nothing_is_said_of_fan_in_and_fan_out_where_they_differ():
    assert "either" not in recommendation({"fan_in": _rule(0.0), "fan_out": _rule(0.3)}).text


def test_normalizations_are_given_as_the_reason_with_their_share():
    layers = {}
    for block in range(5):
        layers[2 * block] = {"is_normalized": True, "kind": "Conv2d"}
        layers[2 * block + 1] = {"kind": "BatchNorm", "source": "BatchNorm"}
    layers[10] = {"kind": "Linear"}
    rules = {
        name: tuple(trace_of([scale, 0] * 5 + [0], layers=layers) for _ in range(2))
        for name, scale in (("fan_in", 0.3), ("fan_out", -4))
    }
    found = recommendation(rules)
    assert not found.matters
    assert "Of 6 layers with a matrix 5 go straight into a normalization" in found.text
    assert "and 1 takes what comes from one" in found.text
    assert "either is enough" not in found.text  # it is no chain of matrices that tells


def test_a_normalization_that_sets_no_scale_is_no_reason():
    """As with running averages: what goes in comes out, for each rule something else."""
    layers = {at: {"kind": "BatchNorm"} for at in (1, 3)}
    rules = {
        name: tuple(trace_of([scale] * 6, layers=layers) for _ in range(2))
        for name, scale in (("a", 0.0), ("b", 1.0))
    }
    assert "normalization" not in recommendation(rules).text
    same = {"a": rules["a"], "b": rules["a"]}
    assert "Of 4 layers with a matrix 2 take what comes from one" in recommendation(same).text


def test_sums_are_given_as_the_reason():
    layers = {at: {"before": None} for at in (3, 6, 9)}
    rules = {name: _rule(0.0, layers=layers) for name in ("a", "b")}
    assert "3 layers take what several others come together to" in recommendation(rules).text
    assert "come together" not in recommendation({n: _rule(0.0) for n in "ab"}).text


def test_few_layers_are_given_as_the_reason():
    rules = {name: _rule(slope, depth=3) for name, slope in (("a", 0.0), ("b", -0.3))}
    found = recommendation(rules)
    assert not found.matters
    assert "Only 3 layers have a matrix" in found.text


def test_it_is_said_where_all_inputs_give_the_same():
    ranks = [7.5, 4.0, 1.3, 1.08, 1.02, 1.0]
    collapsed = {at: {"effective_rank": rank} for at, rank in enumerate(ranks)}
    kept = {at: {"effective_rank": max(rank, 1.2)} for at, rank in enumerate(ranks)}
    rules = {"a": _rule(0.0, depth=6, layers=collapsed), "b": _rule(0.0, depth=6, layers=kept)}
    text = recommendation(rules).text
    assert "With a all inputs give nearly the same from layer_3 on" in text
    assert "(effective rank 1.02, 7.5 at the first layer)" in text
    assert "With b" not in text
    # One input, or the same ones, tell nothing of it.
    alone = {at: {"effective_rank": 1.0} for at in range(6)}
    assert "inputs" not in recommendation({"a": _rule(0.0, depth=6, layers=alone)}).text
