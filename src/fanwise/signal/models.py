"""Which framework a model is of."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from fanwise.frameworks.observation import Observed, Starting
from fanwise.signal.mark import mark

__all__ = ["check_finite", "observed_of", "starting_of"]


def observed_of(model: Any, x: Any, options: Mapping[str, Any], method: Any) -> Observed:
    """A model that is there, marked.

    Raises:
        TypeError: for what is no model of linen or nnx.
    """
    if _is("flax.linen", "Module", model):
        from fanwise.frameworks import linen_observed

        return linen_observed.observe(model, _inputs(x), options, method, mark).observed
    if _is("flax.nnx", "Module", model):
        from fanwise.frameworks import nnx_observed

        return nnx_observed.observe(model, _inputs(x), options, method, mark)
    raise TypeError(f"model must be a flax.linen.Module or an nnx.Module, got {_described(model)}")


def starting_of(model: Any, x: Any, options: Mapping[str, Any], method: Any) -> Starting:
    """A model that can be started again and again, marked.

    Raises:
        TypeError: for what is neither a module of linen nor a function that builds one of nnx.
    """
    if _is("flax.linen", "Module", model):
        from fanwise.frameworks import linen_observed

        return linen_observed.observe(model, _inputs(x), options, method, mark)
    is_module = _is("flax.nnx", "Module", model) or _is_class("flax.linen", "Module", model)
    if callable(model) and not is_module:
        from fanwise.frameworks import nnx_observed

        return nnx_observed.observe_factory(model, _inputs(x), options, method, mark)
    raise TypeError(
        f"model must be a flax.linen.Module, or a function of nnx.Rngs that gives an nnx.Module "
        f"(lambda rngs: Model(..., rngs=rngs)), got {_described(model)}"
    )


def _described(model: Any) -> str:
    if isinstance(model, type):
        return f"the class {model.__name__}; pass an instance, {model.__name__}(...)"
    return f"{model!r} of type {type(model).__name__}"


def check_finite(owner: str, inputs: Sequence[Any]) -> None:
    """Raise ValueError for inputs with values that are not finite."""
    for each in inputs:
        if jnp.issubdtype(each.dtype, jnp.floating) and not bool(jnp.isfinite(each).all()):
            raise ValueError(
                f"{owner}: x must be finite, got an input with NaN or infinite values; pass data "
                f"as the model will get it, or jax.random.normal(key, shape)"
            )


def _inputs(x: Any) -> tuple[Any, ...]:
    inputs = x if isinstance(x, tuple) else (x,)
    for leaf in jax.tree.leaves(inputs):
        if isinstance(leaf, jax.core.Tracer):
            raise TypeError(
                "x must be an array with values, got one that is being traced; call this outside "
                "of jit: it compiles its own pass"
            )
        if hasattr(leaf, "shape") and 0 in leaf.shape:
            raise ValueError(f"x must have elements, got an array of shape {tuple(leaf.shape)}")
    if not any(hasattr(leaf, "shape") for leaf in jax.tree.leaves(inputs)):
        raise TypeError(f"x must be an array, or a tuple of inputs with arrays, got {x!r}")
    return inputs


def _is(module: str, name: str, model: Any) -> bool:
    """Whether it is of a class of a framework; one that is not loaded has none."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(model, getattr(loaded, name))


def _is_class(module: str, name: str, model: Any) -> bool:
    loaded = sys.modules.get(module)
    return (
        loaded is not None and isinstance(model, type) and issubclass(model, getattr(loaded, name))
    )
