"""Drift: how far the layers of a trace are apart."""

import math

import pytest

from fanwise.signal.drift import Drift, counted, drift_of
from fanwise.signal.trace_result import Trace
from tests.signal.synthetic import DECADE, chain, trace_of

INF, NAN = math.inf, math.nan


def _close(drift, forward, backward):
    assert drift.forward == pytest.approx(forward, abs=1e-9)
    assert drift.backward == pytest.approx(backward, abs=1e-9)


@pytest.mark.parametrize("start", [-5.0, 0.0, 4.8])
@pytest.mark.parametrize(("slope", "backward"), [(0.0, 0.0), (-0.3, 0.0), (0.2, -0.7)])
def test_a_chain_drifts_by_its_factor_whatever_its_scale(start, slope, backward):
    # Ten layers, of which the first and the last are left out: seven steps between eight.
    _close(drift_of(chain(10, slope, backward, start=start)), 7 * abs(slope), 7 * abs(backward))


def test_it_is_the_largest_against_the_smallest_and_not_the_last_against_the_first():
    _close(drift_of(trace_of([0, 0, 2, -1, 0, 0], [0, 0, 0, -3, 0, 0])), 3, 3)


def test_the_first_and_the_last_layer_are_left_out():
    _close(drift_of(trace_of([-4, 0, 0, 5], [4, 0, 0, 5])), 0, 0)
    _close(drift_of(trace_of([0, 0, 5, 0], [0, 0, 5, 0])), 5, 5)
    _close(drift_of(trace_of([0, 5, 0, 0], [0, 5, 0, 0])), 5, 5)


def test_what_goes_into_a_normalization_is_left_out():
    trace = trace_of([0, 4, 0, 0, 0], [0, -4, 0, 0, 0], layers={1: {"is_normalized": True}})
    _close(drift_of(trace), 0, 0)
    _close(drift_of(trace_of([0, 4, 0, 0, 0], [0, -4, 0, 0, 0])), 4, 4)


@pytest.mark.parametrize("names", [{"source": "Embed", "kind": "Embedding"}, {"source": "Embed"}])
def test_embeddings_are_left_out(names):
    _close(drift_of(trace_of([0, -3, 0, 0, 0], [0, 4, 0, 0, 0], layers={1: names})), 0, 0)
    _close(drift_of(trace_of([0, -3, 0, 0, 0], [0, 4, 0, 0, 0])), 3, 4)


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("at", [0, 2, 3])
def test_what_is_not_finite_has_no_bound_wherever_it_is(value, at):
    moments = [0.0] * 4
    moments[at] = value
    assert drift_of(trace_of(moments)) == Drift(INF, 0.0)
    assert drift_of(trace_of([0.0] * 4, moments)) == Drift(0.0, INF)


def test_a_few_elements_that_are_not_finite_are_enough():
    trace = trace_of([0.0] * 4, layers={1: {"finite": 0.999, "is_normalized": True}})
    assert drift_of(trace) == Drift(INF, 0.0)
    trace = trace_of([0.0] * 4, layers={1: {"gradient_finite": 0.999}})
    assert drift_of(trace) == Drift(0.0, INF)


def test_a_signal_that_is_lost_has_no_bound():
    assert drift_of(trace_of([0, 0, -INF, -INF])) == Drift(INF, 0.0)
    assert drift_of(trace_of([0, 0, 0, 0], [-INF, -INF, 0, 0])) == Drift(0.0, INF)


def test_a_layer_of_zeros_that_the_signal_goes_past_does_not_count():
    assert drift_of(trace_of([0, 0, -INF, 0, 0], [0, 0, -INF, 0, 0])) == Drift(0.0, 0.0)
    # The last layer is the last of a block's branch, and the model's output is its shortcut.
    layers = trace_of([0, 0, -INF]).layers
    assert drift_of(Trace(layers, (), 0.0, 0.0)) == Drift(0.0, 0.0)
    assert drift_of(Trace(layers, (), 0.0, NAN)) == Drift(INF, 0.0)


def test_what_was_not_measured_does_not_count():
    unmeasured = {"log_second_moment": NAN, "finite": 1.0, "log_gradient": NAN}
    trace = trace_of([0, 0, 0, 1, 1], [0.0] * 5, layers={1: unmeasured})
    _close(drift_of(trace), 1, 0)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_too_few_layers_do_not_drift(depth):
    assert drift_of(chain(depth, 3.0, 3.0)) == Drift(0.0, 0.0)


def test_decades_are_of_second_moments_far_beyond_floats():
    # A million decades a layer: logarithms do not overflow.
    drift = drift_of(chain(5, 1e6))
    assert drift.forward == pytest.approx(2e6)
    assert math.log(10) == DECADE


def test_the_layers_that_count():
    layers = {2: {"is_normalized": True}, 4: {"kind": "Embedding"}}
    names = [signal.path for signal in counted(trace_of([0.0] * 6, layers=layers).layers)]
    assert names == ["layer_1", "layer_3"]
