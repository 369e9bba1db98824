"""nnx's twin of a group."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from parity.fuzz.flat import Unembedding
from parity.fuzz.group import Group, Part, run
from parity.fuzz.node import Bare, Function, Node

__all__ = ["build", "filled"]


def build(group: Group, rngs: nnx.Rngs) -> nnx.Module:
    """Construct it."""
    return NnxTwin(group, rngs)


def filled(group: Group, variables: Any) -> nnx.Module:
    """The module with these variables, and random states that nobody reads."""
    model: nnx.Module = nnx.eval_shape(lambda: build(group, nnx.Rngs(0)))
    nnx.update(model, variables)
    # RNNs ask for a key even where their start is zero.
    rest = {
        path: _random(leaf)
        for path, leaf in nnx.to_flat_state(nnx.state(model))
        if isinstance(leaf.get_raw_value(), jax.ShapeDtypeStruct)
    }
    nnx.update(model, nnx.from_flat_state(list(rest.items())))
    return model


def _random(leaf: Any) -> jax.Array:
    if not isinstance(leaf, nnx.RngState):
        raise ValueError(f"nothing was given for {leaf}")
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key(0) if is_key else jnp.zeros(leaf.shape, leaf.dtype)


class NnxTwin(nnx.Module):
    """A module whose parts are attributes; lists and dictionaries are nnx's own."""

    def __init__(self, group: Group, rngs: nnx.Rngs) -> None:
        self.group = nnx.static(group)
        for part in group.members:
            if _has_own(part.node):
                setattr(self, part.twin or part.name, _made(part.node, rngs))

    def __call__(self, x: Any) -> Any:
        return run(self.group, _Modules(self), x)


def _has_own(node: Node) -> bool:
    return not isinstance(node, Function) and not (isinstance(node, Unembedding) and node.attends)


def _made(node: Node, rngs: nnx.Rngs) -> Any:
    if isinstance(node, Bare):
        return nnx.Param(jnp.zeros(node.shape))
    if not (isinstance(node, Group) and node.is_open):
        return node.nnx(rngs)
    made = {
        part.twin or part.name: _made(part.node, rngs) for part in node.parts if _has_own(part.node)
    }
    return nnx.Dict(made) if node.form == "ModuleDict" else nnx.List(list(made.values()))


@dataclass(frozen=True)
class _Modules:
    owner: Any
    is_torch: bool = False

    def module(self, part: Part) -> Any:
        made = self._get(part.twin or part.name)
        return made[...] if isinstance(made, nnx.Param) else made

    def enter(self, part: Part) -> "_Modules":
        is_span = isinstance(part.node, Group) and part.node.form == "span"
        return self if is_span else _Modules(self._get(part.twin or part.name))

    def _get(self, name: str) -> Any:
        if isinstance(self.owner, nnx.List):
            return self.owner[int(name)]
        return getattr(self.owner, name)
