"""Constructors that read what they have drawn, and those that cannot be recorded."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from parity.record_cases import with_parameters

__all__ = ["READING", "REFUSED"]

Function = Callable[[], nn.Module]

READING: dict[str, Function] = {}
"""Those that need real tensors, to no effect on what they write."""

REFUSED: dict[str, tuple[Function, tuple[str, ...]]] = {}
"""Those that cannot be recorded, with what the error must name."""


def _reading(function: Function) -> Function:
    READING[function.__name__] = function
    return function


def _refused(*words: str) -> Callable[[Function], Function]:
    def note(function: Function) -> Function:
        REFUSED[function.__name__] = (function, words)
        return function

    return note


@_reading
def dummy_forward() -> nn.Module:
    module = nn.Sequential(nn.LazyLinear(6), nn.ReLU(), nn.LazyConv1d(3, 1))
    module[0](torch.zeros(2, 5))
    module[2](torch.zeros(2, 4, 7))
    return module


@_reading
def asserts() -> nn.Module:
    module = nn.Linear(10, 10)
    if not torch.isfinite(module.weight).all():
        raise ValueError("not finite")
    return module


@_reading
def prints() -> nn.Module:
    module = nn.Linear(10, 10)
    assert f"{module.weight.abs().mean().item():.3f}"
    assert module.weight.detach().numpy().shape == (10, 10)
    return module


@_refused("sparse", "torch.sparse_coo", "dense", "_to_dense")
def sparse_tensors() -> nn.Module:
    module = nn.Module()
    module.register_buffer("sparse", torch.eye(3).to_sparse())
    module.dense = nn.Parameter(torch.eye(3).to_sparse().to_dense())
    return module


@_refused("weight", "read")
def divided_by_what_it_reads() -> nn.Module:
    module = nn.Linear(10, 10)
    module.weight.data.div_(module.weight.norm().item())
    return module


@_refused("other", "Tensor.cauchy_", "parameter")
def cauchy() -> nn.Module:
    return with_parameters(fine=torch.randn(3), other=torch.empty(4).cauchy_())


@_refused("order", "randperm", "choice", "randint", "nothing", "torch.empty")
def several_at_once() -> nn.Module:
    module = with_parameters(nothing=torch.empty(4), choice=torch.randint(0, 9, (4,)).float())
    module.register_buffer("order", torch.randperm(10))
    module.register_buffer("temporary", torch.randperm(10), persistent=False)
    return module


@_refused("weight", "numpy")
def from_numpy() -> nn.Module:
    return with_parameters(weight=torch.from_numpy(np.random.randn(3, 4)).float())  # noqa: NPY002


@_refused("weight", "numpy")
def from_a_fresh_generator() -> nn.Module:
    return with_parameters(weight=torch.tensor(np.random.default_rng().normal(size=(3, 4))))
