"""Who makes a whole model's parameters, and how.

Each builder does its imports and returns a function that makes the parameters: all that is timed
happens in that function. It returns what it made and the number of elements in it.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks import machine
from benchmarks.networks import Network, Transformer

__all__ = ["BUILDERS", "parameter_list", "requirements"]

Shapes = Mapping[str, tuple[int, ...]]
Make = Callable[[], tuple[object, int]]


def fanwise_fill(network: Network, shapes: Shapes, usual: bool = True) -> Make:
    """``fill`` over a list of parameters whose shapes are known."""
    import jax

    from fanwise.filling import fill

    def make() -> tuple[object, int]:
        arrays = fill(parameter_list(network, shapes, jax.random.key(0), usual))
        return jax.block_until_ready(arrays), _elements(arrays)

    return make


def fanwise_default(network: Network, shapes: Shapes) -> Make:
    """``fill`` from what torch draws when it constructs the model."""
    return fanwise_fill(network, shapes, usual=False)


def fanwise_from_linen(network: Network, shapes: Shapes) -> Make:
    """``fanwise.linen.init``: finding the layers of the module is part of the work."""
    import jax

    import fanwise
    from benchmarks.networks import linen

    init = fanwise.linen.init
    rule = fanwise.chain(fanwise.torch_default, partial(_usual_rule, network))

    def make() -> tuple[object, int]:
        model, sample = linen.build(network), linen.example_input(network)
        variables = init(model, jax.random.key(0), sample, rule=rule)
        return jax.block_until_ready(variables), _elements(variables)

    return make


def linen_jit(network: Network, shapes: Shapes) -> Make:
    """``jax.jit(model.init)``."""
    import jax

    from benchmarks.networks import linen

    init = jax.jit(linen.build(network).init)

    def make() -> tuple[object, int]:
        variables = init(jax.random.key(0), linen.example_input(network))
        return jax.block_until_ready(variables), _elements(variables)

    return make


def linen_eager(network: Network, shapes: Shapes) -> Make:
    """``model.init``, which computes the model's output as well."""
    import jax

    from benchmarks.networks import linen

    model = linen.build(network)

    def make() -> tuple[object, int]:
        variables = model.init(jax.random.key(0), linen.example_input(network))
        return jax.block_until_ready(variables), _elements(variables)

    return make


def nnx_eager(network: Network, shapes: Shapes) -> Make:
    """An nnx model, constructed."""
    import jax
    from flax import nnx

    from benchmarks.networks import nnx as networks

    def make() -> tuple[object, int]:
        model = networks.build(network, nnx.Rngs(0))
        state = nnx.state(model, (nnx.Param, nnx.BatchStat))
        jax.block_until_ready(state)
        return model, _elements(state)

    return make


def torch_usual(network: Network, shapes: Shapes) -> Make:
    """A torch model, constructed and then drawn as such models are."""
    return _torch(network, usual=True)


def torch_default(network: Network, shapes: Shapes) -> Make:
    """A torch model, only constructed: other distributions, but nothing is drawn twice."""
    return _torch(network, usual=False)


BUILDERS: dict[str, Callable[[Network, Shapes], Make]] = {
    "fanwise": fanwise_fill,
    "fanwise default": fanwise_default,
    "fanwise from linen": fanwise_from_linen,
    "linen jit": linen_jit,
    "linen eager": linen_eager,
    "nnx eager": nnx_eager,
    "torch": torch_usual,
    "torch default": torch_default,
}


def requirements(builder: str) -> tuple[str, ...]:
    """Return the packages that a contestant needs."""
    if builder.startswith("torch"):
        return ("torch",)
    # The list of shapes is read off the linen model, though not while fanwise is timed.
    return ("fanwise", "flax") if builder.startswith("fanwise") else ("flax",)


def parameter_list(network: Network, shapes: Shapes, key: Any, usual: bool = True) -> list[Any]:
    """Return what ``fill`` takes: a Parameter of its own key for every path."""
    from fanwise.filling import Parameter
    from fanwise.keys import path_keys

    distribution = _usual if usual else partial(_default, shapes)
    return [
        Parameter(path, shape, distribution(network, path, shape), key)
        for (path, shape), key in zip(shapes.items(), path_keys(key, list(shapes)), strict=True)
    ]


def _usual_rule(network: Network, layer: Any) -> dict[str, Any] | None:
    """The distributions of :func:`_usual`, as a rule; the norms are as torch's default."""
    from fanwise.distributions import Constant, Normal
    from fanwise.initializers import kaiming_normal

    if layer.kind not in ("Linear", "Embedding", "Conv2d"):
        return None
    answer: dict[str, Any] = {"bias": Constant(0.0)} if "bias" in layer.parameters else {}
    if isinstance(network, Transformer):
        is_residual = layer.path.endswith("_out")
        std = network.residual_std if is_residual else network.std
        return {"weight": Normal(0.0, std), **answer}
    if layer.kind == "Linear":
        return {"weight": Normal(0.0, network.head_std), **answer}
    return {"weight": kaiming_normal(mode="fan_out", nonlinearity="relu"), **answer}


def _default(shapes: Shapes, network: Network, path: str, shape: tuple[int, ...]) -> Any:
    """What torch draws the parameter from when it constructs the layer."""
    from fanwise.distributions import Constant, Normal
    from fanwise.initializers import bias_uniform, kaiming_uniform
    from fanwise.layouts import fans

    layer, _, name = path.rpartition("/")
    if name in ("scale", "var"):
        return Constant(1.0)
    if name == "embedding":
        return Normal(0.0, 1.0)
    if name == "kernel":
        return kaiming_uniform(a=math.sqrt(5)).distribution(shape)
    if f"{layer}/kernel" in shapes and name == "bias":
        return bias_uniform(fans(shapes[f"{layer}/kernel"]).fan_in).distribution(shape)
    return Constant(0.0)


def _usual(network: Network, path: str, shape: tuple[int, ...]) -> Any:
    """What the frameworks' versions of the network draw the parameter from."""
    from fanwise.distributions import Constant, Normal
    from fanwise.initializers import kaiming_normal

    *_, layer, name = path.split("/")
    if name in ("bias", "mean"):
        return Constant(0.0)
    if name in ("scale", "var"):
        return Constant(1.0)
    if isinstance(network, Transformer):
        return Normal(0.0, network.residual_std if layer.endswith("_out") else network.std)
    if layer.startswith("Dense"):
        return Normal(0.0, network.head_std)
    return kaiming_normal(mode="fan_out", nonlinearity="relu").distribution(shape)


def _torch(network: Network, usual: bool) -> Make:
    import torch

    from benchmarks.networks import torch as networks

    torch.set_num_threads(machine.cores())

    def make() -> tuple[object, int]:
        model = networks.build(network, usual)
        return model, networks.elements_of(model)

    return make


def _elements(tree: Any) -> int:
    import jax

    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
