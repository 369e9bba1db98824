"""Layer-sequential unit variance: weights scaled until each layer's output has it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from fanwise.layers import Leaf
from fanwise.signal.limits import has_matrix
from fanwise.signal.measures import widened
from fanwise.signal.models import observed_of
from fanwise.signal.program import program_of
from fanwise.signal.signals import Place, Places
from fanwise.validation import positive_integer, real

__all__ = ["balance"]

# In float32, E[y^2] - E[y]^2 says nothing of a variance that is smaller than this share of E[y^2].
_CONSTANT = 1e-5


def balance(
    model: Any,
    variables: Any,
    x: Any,
    *,
    key: Any = None,
    target: float = 1.0,
    tolerance: float = 0.01,
    max_steps: int = 10,
    method: Any = None,
    **options: Any,
) -> Any:
    r"""Scale each layer's weights until its output has unit variance, one layer after another.

    In order of execution, with everything before a layer settled,

    .. math::
        W \leftarrow W \sqrt{\text{target} / \operatorname{Var}[y]}

    until the variance of the layer's output :math:`y = W x + b` over all its elements, those of
    all examples, positions and units, is within ``tolerance`` of the target: as in the paper, of
    the output before the activation, and with the mean over all elements taken out, not that of
    each unit. Without biases one step is enough, whatever comes before.

    Layers that are a matrix or kernel and perhaps a bias are scaled: Linear, convolutions,
    transposed ones, the projections of attention; of stacked layers that run one after another each
    slice for itself, of those that run at once, as under vmap, all together. Biases stay, and so do
    normalizations, embeddings, recurrent cells and all that runs in a loop over time, weights under
    ``weight_norm`` and the like, and modules of the user's own. A layer that runs several times
    otherwise is scaled by its first run.

    The paper starts from orthonormal matrices. Start the model so for all of it:
    ``fw.linen.init(model, key, x, rule=...)`` with ``{"weight": fw.orthogonal()}``, as in the
    example; any other start is left as it is but for its scale.

    Args:
        model: a ``flax.linen.Module`` or an ``nnx.Module``, which is left as it is.
        variables: linen's variables; for nnx a state of the model, or None for its own arrays.
        x: a batch of the data that the model will be trained on; a tuple is several inputs.
        key: a PRNG key for linen's random layers, or several by name, if it has any; the same in
            each pass.
        target: the variance.
        tolerance: the largest deviation of the variance, relative to the target.
        max_steps: how often a layer is scaled at most.
        method: what to run instead of ``__call__``.
        options: keyword arguments of the method, such as ``train=True``. Statistics that a model
            updates (of batch norms) are thrown away.

    Returns:
        For linen, variables as those given, boxes included, in which arrays that are not scaled
        are the same objects. For nnx a state for ``nnx.update(model, state)``.

    Raises:
        TypeError: for a model that is of neither framework, or an argument of a wrong type.
        ValueError: for numbers out of range; and naming the layer whose output is not finite, or
            the same everywhere, or whose variance does not come to the target, as where its biases
            alone have more.

    Example:
        >>> from flax import linen as nn
        >>> import fanwise as fw
        >>> model = nn.Sequential([nn.Dense(64), nn.relu, nn.Dense(64), nn.relu, nn.Dense(10)])
        >>> x = jax.random.normal(jax.random.key(0), (128, 32))
        >>> rule = fw.by_kind({"Linear": lambda layer: {"weight": fw.orthogonal()}})
        >>> variables = fw.linen.init(model, jax.random.key(1), x, rule=rule)
        >>> balanced = fw.signal.balance(model, variables, x)
        >>> measured = fw.signal.trace(model, balanced, x, jax.random.key(2))
        >>> variances = [layer.second_moment - layer.mean**2 for layer in measured.layers]
        >>> all(abs(variance - 1) < 0.02 for variance in variances)
        True

    References:
        D. Mishkin and J. Matas, All you need is a good init, ICLR 2016, arXiv:1511.06422,
        algorithm 1. It has a tolerance of 0.1; a layer that is linear in its weights meets a
        tighter one with as many steps.
    """
    target = real("balance", "target", target, above=0.0)
    tolerance = real("balance", "tolerance", tolerance, above=0.0)
    max_steps = positive_integer("balance", "max_steps", max_steps)
    key = jax.random.key(0) if key is None else key
    observed = observed_of(model, x, options, method)
    given = observed.given(variables)
    places = Places(program_of(observed, given, key, None))
    scales = _Scales(given)
    marks = places.program.forward(given, observed.inputs, key)
    for place in places.every:
        mark = places.program.occurrences[place.output]
        kind = None if place.layer is None else place.layer.kind
        is_over_time = len(mark.lengths) > len(place.axes)
        if place.call or is_over_time or not has_matrix(mark.source, kind):
            continue
        leaves = [leaf for leaf in place.leaves if leaf.path in observed.weights]
        matrices = [leaf for leaf in leaves if len(leaf.shape) > 1]
        if not matrices:
            continue
        for step in range(max_steps + 1):
            variance = _variance(place.path, marks[place.output], place)
            if abs(variance / target - 1) <= tolerance:
                break
            if step == max_steps:
                raise ValueError(
                    f"balance: the output of {place.path or '.'} has a variance of {variance:.3g} "
                    f"after max_steps={max_steps} steps, not target={target:g} within tolerance="
                    f"{tolerance:g}; start it with smaller biases if they alone have more, allow "
                    f"more steps, or leave a layer whose output does not grow with its weights to "
                    f"a module of its own"
                )
            scales.multiply(matrices, math.sqrt(target / variance))
            marks = places.program.forward(given | scales.arrays(), observed.inputs, key)
    return observed.rebuilt(variables, scales.arrays())


def _variance(path: str, marks: Any, place: Place) -> float:
    """Of a layer's output, in the place's iteration of the stacks."""
    stacks_first = np.moveaxis(np.asarray(marks, np.float64), place.axes, range(len(place.axes)))
    log_second_moment, mean = map(float, stacks_first[place.positions])
    second = float(np.exp(log_second_moment))
    if not math.isfinite(second):
        raise ValueError(
            f"balance: the output of {path or '.'} must be finite, got NaN or infinite values; "
            f"fanwise.signal.check names the first layer at which they come up"
        )
    variance = second - mean**2
    if variance <= _CONSTANT * second:
        what = "zeros" if second == 0 else f"one value, {mean:.3g}, everywhere"
        raise ValueError(
            f"balance: the output of {path or '.'} must vary over units and examples, got {what}; "
            f"start its weights at other values, and give real data as x, or "
            f"jax.random.normal(key, shape)"
        )
    return variance


class _Scales:
    """By what the arrays are multiplied, or slices of them where layers are stacked."""

    def __init__(self, given: Mapping[Any, Any]) -> None:
        self._given = given
        self._factors: dict[Any, dict[tuple[tuple[int, int], ...], float]] = {}

    def multiply(self, leaves: Sequence[Leaf], factor: float) -> None:
        """Scale what these leaves are, beside what was done before."""
        for leaf in leaves:
            own = self._factors.setdefault(leaf.path, {})
            own[leaf.stack] = own.get(leaf.stack, 1.0) * factor

    def arrays(self) -> dict[Any, Any]:
        """The arrays that are scaled: each element is multiplied and rounded once."""
        return {path: _scaled(self._given[path], own) for path, own in self._factors.items()}


def _scaled(array: Any, factors: Mapping[tuple[tuple[int, int], ...], float]) -> Any:
    scaled = array
    for stack, factor in factors.items():
        dims = list(range(array.ndim))
        index: list[Any] = [slice(None)] * array.ndim
        for axis, position in stack:
            index[dims.pop(axis)] = position
        own = array[tuple(index)]
        scaled = scaled.at[tuple(index)].set((widened(own) * factor).astype(array.dtype))
    return scaled
