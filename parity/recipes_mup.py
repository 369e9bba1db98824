"""muP in torch, written from the paper's tables: the roles of parameters are given by hand.

For each parameter a line of the table is named here, and its formula is written out for torch's
default of the layer, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), or for a std that is the same for all.
Nothing is inferred from shapes, which is what fanwise does.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import nn
from torch.nn import init

__all__ = ["CONVOLUTIONAL", "NETWORKS", "PERCEPTRON", "TRANSFORMER", "Network", "mup"]

T = TypeVar("T")


@dataclass(frozen=True)
class Network:
    """A network of any width.

    Args:
        name: what it is called.
        build: from a width to the network.
        roles: by a regular expression of a parameter's name, its line of the table: ``hidden``,
            ``output`` or ``other``.
        fan_in: by the same, the fan_in of the layer at a width; None where torch's default is
            not by fan_in.
    """

    name: str
    build: Callable[[int], nn.Module]
    roles: Mapping[str, str]
    fan_in: Mapping[str, Callable[[int], int]]


def _perceptron(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(10, width),
        nn.Linear(width, width),
        nn.LayerNorm(width),
        nn.Linear(width, 2 * width),
        nn.Linear(2 * width, 5),
    )


def _convolutional(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3),
        nn.Conv2d(width, 2 * width, 3),
        nn.BatchNorm2d(2 * width),
        nn.ConvTranspose2d(2 * width, width, 2),
        nn.Conv2d(width, width, 3, groups=width),
        nn.Linear(9 * width, 5),
    )


def _transformer(width: int) -> nn.Module:
    return nn.ModuleDict(
        {
            "tokens": nn.Embedding(30, width),
            "attention": nn.MultiheadAttention(width, 4),
            "norm": nn.LayerNorm(width),
            "up": nn.Linear(width, 4 * width),
            "down": nn.Linear(4 * width, width),
            "head": nn.Linear(width, 30, bias=False),
        }
    )


PERCEPTRON = Network(
    "perceptron",
    _perceptron,
    {r"[13]\.weight": "hidden", r"4\.weight": "output", ".*": "other"},
    {r"0\..*": lambda n: 10, r"[13]\..*": lambda n: n, r"4\..*": lambda n: 2 * n},
)
CONVOLUTIONAL = Network(
    "convolutional",
    _convolutional,
    {r"[13]\.weight": "hidden", r"5\.weight": "output", ".*": "other"},
    {
        r"0\..*": lambda n: 27,
        r"1\..*": lambda n: 9 * n,
        # torch takes the output of a transposed convolution for its fan_in.
        r"3\..*": lambda n: 4 * n,
        r"4\..*": lambda n: 9,
        r"5\..*": lambda n: 9 * n,
    },
)
TRANSFORMER = Network(
    "transformer",
    _transformer,
    {
        r"attention\..*weight|(up|down)\.weight": "hidden",
        r"head\.weight": "output",
        ".*": "other",
    },
    {
        r"(attention\.out_proj\.weight|up\..*|head\..*)": lambda n: n,
        r"down\..*": lambda n: 4 * n,
    },
)
NETWORKS = (PERCEPTRON, CONVOLUTIONAL, TRANSFORMER)


def mup(
    network: Network,
    width: int,
    base: int,
    table: int,
    std: float | None = None,
    zero_readout: bool = False,
) -> nn.Module:
    """Build a network and start it in muP.

    Args:
        network: which.
        width: its width.
        base: the base model's width.
        table: 3 or 8.
        std: the base model's std for every weight of two axes or more; None is torch's default.
        zero_readout: whether output weights, and the bias beside them, are zero.
    """
    made = network.build(width)
    m = width / base
    for name, parameter in made.named_parameters():
        role = _of(network.roles, name)
        factor = {"hidden": 1 / math.sqrt(m), "output": {8: 1.0, 3: 1 / m}[table], "other": 1.0}
        own = _of(network.fan_in, name)
        if std is not None and parameter.ndim > 1:
            init.normal_(parameter, 0.0, std * factor[role])
        elif std is None and own is not None:
            bound = factor[role] / math.sqrt(own(base))
            if name != "attention.out_proj.bias":
                init.uniform_(parameter, -bound, bound)
        elif std is None and name == "attention.in_proj_weight":
            bound = factor[role] * math.sqrt(6 / (4 * base))
            init.uniform_(parameter, -bound, bound)
        elif std is not None and own is not None and name != "attention.out_proj.bias":
            bound = 1 / math.sqrt(own(base))
            init.uniform_(parameter, -bound, bound)
    if zero_readout:
        last = list(made.children())[-1]
        for parameter in last.parameters():
            init.zeros_(parameter)
    return made


def _of(table: Mapping[str, T], name: str) -> T | None:
    return next((value for key, value in table.items() if re.fullmatch(key, name)), None)
