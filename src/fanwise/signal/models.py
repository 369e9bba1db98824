"""Which framework a model is of."""

import sys
from collections.abc import Mapping
from typing import Any

from fanwise.frameworks.observation import Observed, Starting
from fanwise.signal.mark import mark

__all__ = ["observed_of", "starting_of"]


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
    raise TypeError(
        f"model must be a flax.linen.Module or an nnx.Module, got {model!r} of type "
        f"{type(model).__name__}"
    )


def starting_of(model: Any, x: Any, options: Mapping[str, Any], method: Any) -> Starting:
    """A model that can be started again and again, marked.

    Raises:
        TypeError: for what is neither a module of linen nor a function that builds one of nnx.
    """
    if _is("flax.linen", "Module", model):
        from fanwise.frameworks import linen_observed

        return linen_observed.observe(model, _inputs(x), options, method, mark)
    if callable(model) and not _is("flax.nnx", "Module", model):
        from fanwise.frameworks import nnx_observed

        return nnx_observed.observe_factory(model, _inputs(x), options, method, mark)
    raise TypeError(
        f"model must be a flax.linen.Module, or a function of nnx.Rngs that gives an nnx.Module "
        f"(lambda rngs: Model(..., rngs=rngs)), got {model!r} of type {type(model).__name__}"
    )


def _inputs(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def _is(module: str, name: str, model: Any) -> bool:
    """Whether it is of a class of a framework; one that is not loaded has none."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(model, getattr(loaded, name))
