"""A linen model whose layers' inputs and outputs are marked."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from fanwise.frameworks.arguments import Arguments
from fanwise.frameworks.linen_claims import source_of
from fanwise.frameworks.linen_modules import trace
from fanwise.frameworks.linen_tree import unflat
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

__all__ = ["observe"]

# Lifted classes run the module that they were made of inside, under the same path.
_LIFTED = "flax.linen.transforms"


def observe(
    model: nn.Module, inputs: Sequence[Any], options: Mapping[str, Any], method: Any, mark: Mark
) -> Starting:
    """Describe the model and what marks it.

    Args:
        model: the module.
        inputs: what ``model.apply`` takes after the variables.
        options: keyword arguments of the method.
        method: the method to run instead of ``__call__``.
        mark: what is done at each layer's input and output.
    """
    traced = trace(model, None, inputs, options, method)
    arguments = Arguments.of(inputs, options)

    def run(arrays: Arrays, inputs: Sequence[Any], key: Any) -> Any:
        args, kwargs = arguments.filled(inputs)
        with nn.intercept_methods(_Marking(mark).intercept):
            outputs, _ = model.apply(
                unflat(arrays),
                *args,
                method=method,
                rngs=dict(key) if isinstance(key, Mapping) else {"params": key},
                mutable=nn.DenyList("params"),
                **kwargs,
            )
        return outputs

    def start(rule: Rule, key: Key) -> Arrays:
        return traced.started({"params": key}, rule)

    def given(variables: Any) -> Arrays:
        if not isinstance(variables, Mapping):
            raise TypeError(
                f"variables must be what model.init gives, got {variables!r} of type "
                f"{type(variables).__name__}"
            )
        known = traced.of(variables).given(variables)
        return {path: jnp.asarray(array) for path, array in known.items()}

    observed = Observed(
        layers=traced.layers,
        owners={path: path[1:-1] for path in traced.paths},
        weights=frozenset(
            path
            for path, target in traced.targets.items()
            if path[0] == "params" and jnp.issubdtype(target.dtype, jnp.floating)
        ),
        inputs=arguments.arrays,
        run=run,
        given=given,
        rebuilt=traced.rebuilt,
    )
    return Starting(observed, start)


class _Marking:
    """What ``nn.intercept_methods`` calls around every method of a module."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.running: list[tuple[tuple[str, ...], type]] = []

    def intercept(
        self, call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        is_layer = context.method_name == "__call__" and module.scope is not None
        if not is_layer or type(module).__module__ == _LIFTED:
            return call(*args, **kwargs)
        own = (module.path, type(module))
        if own in self.running:
            return call(*args, **kwargs)  # a method that was lifted runs again inside
        names, source = module.path, source_of(module)
        args, kwargs = marked_input((args, kwargs), self.mark, names, source)
        self.running.append(own)
        try:
            result = call(*args, **kwargs)
        finally:
            self.running.pop()
        is_cell = isinstance(module, nn.RNNCellBase)
        return marked_output(result, self.mark, names, source, is_cell)
