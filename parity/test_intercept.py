"""The recorder sees what torch asks for, and leaves torch as it found it."""

import math

import pytest
import torch

from parity.intercept import DRAWS, Recording, hollow, recording
from parity.request import Request, of_recording


def test_sees_the_arguments_that_torch_computes():
    with recording() as kept:
        torch.nn.init.kaiming_uniform_(hollow((64, 16, 3, 3)), a=math.sqrt(5))
    (call,) = kept.draws
    assert call.method == "uniform_"
    assert call.shape == (64, 16, 3, 3)
    assert call.arguments == pytest.approx((-1 / 12, 1 / 12), rel=1e-12)


def test_fills_in_defaults_and_takes_keywords():
    tensor = torch.zeros(2)
    with recording() as kept:
        tensor.uniform_()
        tensor.normal_(std=3.0)
        tensor.uniform_(to=5.0)
        tensor.fill_(7.0)
        tensor.zero_()
    assert [call.arguments for call in kept.draws] == [(0, 1), (0, 3), (0, 5), (7,), ()]


def test_draws_nothing_unless_asked():
    tensor = torch.full((5,), 9.0)
    with recording():
        torch.nn.init.normal_(tensor)
    assert (tensor == 9).all()
    with recording(draw=True):
        torch.nn.init.normal_(tensor)
    assert (tensor != 9).all()


def test_real_weights_cost_no_memory():
    tensor = hollow((2**20, 2**20))
    assert tensor.untyped_storage().nbytes() == 4
    with recording() as kept:
        torch.nn.init.xavier_normal_(tensor)
    assert kept.draws[0].arguments == (0, 2**-10)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0.5, 2.0, -2.0, 2.0), "normal_"),
        # At most 0.3 of the probability is inside: torch draws uniforms and rejects.
        ((0.5, 2.0, 1.0, 1.5), "uniform_"),
    ],
)
def test_reads_both_ways_to_draw_a_truncated_normal(bounds, expected):
    mean, std, a, b = bounds
    with recording(draw=True) as kept:
        torch.nn.init.trunc_normal_(torch.empty(50, 3), mean, std, a, b)
    assert kept.draws[0].method == expected
    assert of_recording(kept, "trunc_normal") == Request("truncated normal", bounds)


def test_sees_parameters_of_layers():
    with recording() as kept:
        layer = torch.nn.Linear(16, 4)
    assert [call.tensor is into for call, into in zip(kept.draws, layer.parameters(), strict=True)]
    assert [call.arguments for call in kept.draws] == [pytest.approx((-0.25, 0.25))] * 2


def test_keeps_warnings():
    with recording() as kept:
        torch.nn.init.kaiming_normal_(torch.empty(0, 3))
    assert kept.draws == []
    assert kept.warnings == ["Initializing zero-element tensors is a no-op"]


def test_more_than_one_draw_is_not_passed_over():
    with recording() as kept:
        torch.zeros(3).normal_().uniform_()
    with pytest.raises(ValueError, match="more than once"):
        of_recording(kept, "normal")
    assert of_recording(Recording(), "normal") == Request("nothing")


class Interruption(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, Interruption])
def test_leaves_torch_as_found_after_an_error(error):
    before, methods = dict(vars(torch.Tensor)), [getattr(torch.Tensor, name) for name in DRAWS]

    def body():
        with recording():
            assert torch.Tensor.uniform_ is not methods[0]
            raise error

    with pytest.raises(error):
        body()
    assert dict(vars(torch.Tensor)) == before
    assert [getattr(torch.Tensor, name) for name in DRAWS] == methods


def test_leaves_torch_as_found():
    before, methods = dict(vars(torch.Tensor)), [getattr(torch.Tensor, name) for name in DRAWS]
    with recording():
        torch.nn.init.normal_(torch.empty(3))
    assert dict(vars(torch.Tensor)) == before
    assert [getattr(torch.Tensor, name) for name in DRAWS] == methods


def test_leaves_torch_as_found_when_torch_itself_raises():
    before = dict(vars(torch.Tensor))
    with pytest.raises(ValueError, match="fewer than 2 dimensions"), recording():
        torch.nn.init.xavier_uniform_(torch.empty(3))
    assert dict(vars(torch.Tensor)) == before


def test_recordings_nest_and_restore_what_they_found():
    with recording() as outer:
        with recording() as inner:
            torch.zeros(2).normal_(0, 2)
        torch.zeros(2).normal_(0, 3)
    assert [call.arguments for call in inner.draws] == [(0, 2)]
    assert [call.arguments for call in outer.draws] == [(0, 3)]


def test_an_attribute_of_the_class_itself_is_put_back(monkeypatch):
    def own(tensor, *args, **kwargs):
        return tensor

    monkeypatch.setattr(torch.Tensor, "normal_", own, raising=False)
    with recording():
        assert torch.Tensor.normal_ is not own
    assert torch.Tensor.normal_ is own
