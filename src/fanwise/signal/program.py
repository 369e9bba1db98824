"""One compiled pass through a model, forward and backward, that measures every layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.frameworks.observation import INPUT, Arrays, Observed
from fanwise.layers import Layer
from fanwise.signal.evaluation import evaluate
from fanwise.signal.measures import BACKWARD, NO_GRADIENT, log_second_moment, widened
from fanwise.signal.occurrences import Occurrence, occurrences_of

__all__ = ["Loss", "Measured", "Program", "program_of"]

Loss: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class Measured:
    """What one pass gave, as numpy arrays.

    Args:
        marks: for each mark, what was measured forward, loops in front.
        gradients: the same backward, for marks at outputs.
        weights: for each array that is trained, the logarithm of its second moment and of the
            square of its mean, positions of stacked layers in front.
        weight_gradients: the logarithm of the gradient's second moment, the same way.
        log_input: of the model's input; nan if nothing of it is floating.
        log_output: of the model's output.
    """

    marks: Sequence[Any]
    gradients: Sequence[Any]
    weights: Mapping[Any, Any]
    weight_gradients: Mapping[Any, Any]
    log_input: float
    log_output: float


@dataclass(frozen=True)
class Program:
    """A model's compiled pass.

    Args:
        observed: the model.
        occurrences: its marks.
        positions: for each array by path, where its parts are among the program's inputs.
        run: what is measured, from arrays by path, inputs and a key.
        lowered: the same, as a program for the compiler.
        forward: at each mark the logarithm of the second moment and, at outputs, the mean, without
            a backward pass.
    """

    observed: Observed
    occurrences: Sequence[Occurrence]
    positions: Mapping[Any, range]
    run: Callable[[Arrays, Sequence[Any], Any], Measured]
    lowered: Callable[[Arrays, Sequence[Any], Any], Any]
    forward: Callable[[Arrays, Sequence[Any], Any], Sequence[Any]]


def program_of(observed: Observed, arrays: Arrays, key: Any, loss: Loss | None) -> Program:
    """Trace a model, and compile what measures it when it is first run.

    Args:
        observed: the model.
        arrays: its arrays, or their shapes and dtypes.
        key: a PRNG key, or several by name; the model's random layers and the cotangent use it.
        loss: a number from the model's outputs, whose gradient is taken; without it the sum of the
            outputs, each times a standard normal number.

    Raises:
        ValueError: for a model with nothing to measure.
    """
    paths = list(arrays)
    for each in observed.inputs:
        if isinstance(each, jax.ShapeDtypeStruct):
            raise TypeError(f"x must be arrays with values, got {each}; data is best")
    inputs = [jnp.asarray(each) for each in observed.inputs]

    def model(values: Sequence[Any], inputs: Sequence[Any], key: Any) -> Any:
        return observed.run(dict(zip(paths, values, strict=True)), inputs, key)

    closed, shapes = jax.make_jaxpr(model, return_shape=True)(list(arrays.values()), inputs, key)
    program, constants = closed.jaxpr, closed.consts
    occurrences = occurrences_of(program, constants)
    outputs = [each for each in occurrences if each.role != INPUT]
    if not outputs:
        raise ValueError(
            "model must have layers whose __call__ gives floating arrays, and none ran; give "
            "method= if the model is called by another one"
        )
    if loss is None and not _floating(shapes):
        raise ValueError(
            f"model must give floating outputs for gradients to be taken of, got "
            f"{jax.tree.map(str, shapes)}; give loss=, a number from what it gives"
        )
    stacks = _stacks(observed.layers)
    is_trained = [path in observed.weights for path in paths]

    def no_gradients() -> list[Any]:
        return [jnp.zeros((*each.lengths, len(BACKWARD)), jnp.float32) for each in outputs]

    def objective(trained: Sequence[Any], sinks: Any, rest: Any, inputs: Any, key: Any) -> Any:
        one, other = iter(trained), iter(rest)
        values = [next(one) if each else next(other) for each in is_trained]
        leaves = jax.tree.leaves((values, inputs, key))
        results, marks = evaluate(program, constants, leaves, sinks)
        result = jax.tree.unflatten(jax.tree.structure(shapes), results)
        value = _projected(result, key) if loss is None else loss(result)
        return value, (marks, _log_of(result))

    @jax.jit
    def measure(trained: Sequence[Any], rest: Any, inputs: Any, key: Any) -> Any:
        both = jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)
        (_, (marks, log_output)), (gradients, measured) = both(
            trained, no_gradients(), rest, inputs, key
        )
        # Where no gradient flows, as behind a stop_gradient, nothing was measured: all three zero.
        measured = [
            jnp.where((each == 0).all(-1, keepdims=True), jnp.float32(NO_GRADIENT), each)
            for each in measured
        ]
        own = [stacks.get(path, ()) for path in trained_paths]
        of_weights = [_stacked(_moments, *each) for each in zip(trained, own, strict=True)]
        of_gradients = [
            _stacked(log_second_moment, *each) for each in zip(gradients, own, strict=True)
        ]
        return marks, measured, of_weights, of_gradients, _log_of(inputs), log_output

    trained_paths = [path for path in paths if path in observed.weights]

    def parted(arrays: Arrays) -> tuple[list[Any], list[Any]]:
        rest = [arrays[path] for path in paths if path not in observed.weights]
        return [arrays[path] for path in trained_paths], rest

    def run(arrays: Arrays, inputs: Sequence[Any], key: Any) -> Measured:
        made = jax.tree.map(np.asarray, measure(*parted(arrays), inputs, key))
        marks, gradients, of_weights, of_gradients, log_input, log_output = made
        return Measured(
            marks,
            gradients,
            dict(zip(trained_paths, of_weights, strict=True)),
            dict(zip(trained_paths, of_gradients, strict=True)),
            float(log_input),
            float(log_output),
        )

    def lowered(arrays: Arrays, inputs: Sequence[Any], key: Any) -> Any:
        return measure.lower(*parted(arrays), inputs, key)

    @jax.jit
    def measure_forward(values: Sequence[Any], inputs: Any, key: Any) -> Any:
        leaves = jax.tree.leaves((values, inputs, key))
        _, marks = evaluate(program, constants, leaves, no_gradients())
        return [each[..., :2] for each in marks]  # and the compiler leaves out the rest

    def forward(arrays: Arrays, inputs: Sequence[Any], key: Any) -> Sequence[Any]:
        marks = measure_forward([arrays[path] for path in paths], inputs, key)
        return [np.asarray(each) for each in marks]

    return Program(observed, occurrences, _positions(arrays), run, lowered, forward)


def _positions(arrays: Arrays) -> dict[Any, range]:
    """Where each array's parts are among the leaves of all."""
    found, start = {}, 0
    for path, value in arrays.items():
        found[path] = range(start, start := start + len(jax.tree.leaves(value)))
    return found


def _floating(tree: Any) -> list[Any]:
    return [each for each in jax.tree.leaves(tree) if jnp.issubdtype(each.dtype, jnp.floating)]


def _log_of(tree: Any) -> Any:
    """Of the first floating array."""
    floating = _floating(tree)
    return log_second_moment(floating[0]) if floating else jnp.float32(jnp.nan)


def _projected(outputs: Any, key: Any) -> Any:
    """The outputs along a random direction: their gradient is standard normal."""
    own = jax.tree.leaves(key)[0]
    total = jnp.float32(0.0)
    for index, each in enumerate(_floating(outputs)):
        folded = jax.random.fold_in(own, 2**31 + index)
        direction = jax.random.normal(folded, each.shape, each.dtype)
        total += jnp.sum(each * direction).astype(jnp.float32)
    return total


def _stacks(layers: Sequence[Layer]) -> dict[Any, tuple[int, ...]]:
    """The axes of each array along which layers are stacked, one after another taken out."""
    return {
        leaf.path: tuple(axis for axis, _ in leaf.stack)
        for layer in layers
        for leaf in layer.leaves
    }


def _moments(array: Any) -> Any:
    mean = widened(array).mean()
    return jnp.stack([log_second_moment(array), log_second_moment(mean)])


def _stacked(measure: Any, array: Any, axes: tuple[int, ...]) -> Any:
    """A measure of each layer of a stack."""
    for axis in reversed(axes):
        measure = jax.vmap(measure, in_axes=axis)
    return measure(array)
