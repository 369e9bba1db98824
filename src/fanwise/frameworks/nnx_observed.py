"""An nnx model whose layers' inputs and outputs are marked."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from fanwise.frameworks.arguments import Arguments
from fanwise.frameworks.nnx_modules import source_of, walk
from fanwise.frameworks.nnx_tracing import described, raw, refilled, trace
from fanwise.frameworks.observation import (
    Arrays,
    Mark,
    Observed,
    Starting,
    marked_input,
    marked_output,
)
from fanwise.rules import Rule
from fanwise.typing import Key

__all__ = ["observe", "observe_factory"]

# An attribute that nnx keeps with a module through split, merge and its transformations.
_NAMES = "fanwise_names"


def observe(
    model: nnx.Module, inputs: Sequence[Any], options: Mapping[str, Any], method: Any, mark: Mark
) -> Observed:
    """Describe a model that is there, and what marks it.

    Args:
        model: the model; it is left as it is.
        inputs: what the model is called with.
        options: keyword arguments of the call.
        method: the name of the method to run instead of ``__call__``, or a function of the model
            and the inputs.
        mark: what is done at each layer's input and output.
    """
    layers, walked = described(model)
    graphdef, state = nnx.split(model)
    leaves = dict(nnx.to_flat_state(state))
    owners = {entry.path: entry.owner for entry in walked.entries}
    return _observed(graphdef, leaves, layers, owners, inputs, options, method, mark)


def observe_factory(
    factory: Callable[[nnx.Rngs], nnx.Module],
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    method: Any,
    mark: Mark,
) -> Starting:
    """The same for a function that builds the model of ``nnx.Rngs``."""
    traced = trace(factory, jax.random.key(0))
    observed = _observed(
        traced.graphdef,
        traced.state,
        traced.layers,
        traced.owners,
        inputs,
        options,
        method,
        mark,
    )

    def start(rule: Rule, key: Key) -> Arrays:
        return traced.started(key, rule)

    return Starting(observed, start)


def _observed(
    graphdef: Any,
    leaves: dict[Any, Any],
    layers: Sequence[Any],
    owners: Mapping[Any, tuple[str, ...]],
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    method: Any,
    mark: Mark,
) -> Observed:
    arguments = Arguments.of(inputs, options)

    def run(arrays: Arrays, inputs: Sequence[Any], key: Any) -> Any:
        args, kwargs = arguments.filled(inputs)
        model = refilled(graphdef, leaves, arrays)
        for names, module in walk(model).modules.items():
            if isinstance(module, nnx.Module) and callable(module):
                setattr(module, _NAMES, json.dumps(names))
                object.__setattr__(module, "__class__", _marking(type(module), mark))
        if callable(method):
            return method(model, *args, **kwargs)
        return getattr(model, method or "__call__")(*args, **kwargs)

    def given(state: Any) -> Arrays:
        if state is None:
            return {path: raw(leaf) for path, leaf in leaves.items()}
        new = dict(nnx.to_flat_state(state))
        unknown = [path for path in new if path not in leaves]
        if unknown:
            raise ValueError(
                f"variables must be an nnx.State of the model, or None for its own arrays, got "
                f"{'/'.join(map(str, unknown[0]))}, which the model does not have"
            )
        return {path: raw(new.get(path, leaf)) for path, leaf in leaves.items()}

    def rebuilt(state: Any, arrays: Arrays) -> Any:
        return nnx.state(refilled(graphdef, leaves, given(state) | arrays))

    return Observed(
        layers=layers,
        owners=owners,
        weights=frozenset(
            path
            for path, leaf in leaves.items()
            if isinstance(leaf, nnx.Param) and _is_floating(raw(leaf))
        ),
        inputs=arguments.arrays,
        run=run,
        given=given,
        rebuilt=rebuilt,
    )


def _is_floating(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating)


@cache
def _marking(cls: Any, mark: Mark) -> Any:
    """A class that does what ``cls`` does, and marks what goes in and comes out."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        names = tuple(json.loads(getattr(self, _NAMES)))
        source = source_of(self)
        args, kwargs = marked_input((args, kwargs), mark, names, source)
        result = cls.__call__(self, *args, **kwargs)
        return marked_output(result, mark, names, source, isinstance(self, nnx.RNNCellBase))

    return type(cls.__name__, (cls,), {"__call__": __call__, "__module__": cls.__module__})
