"""The maximal update parametrization: a base model's initialization, at another width."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from fanwise.distributions import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanwise.initializers import Initializer, zeros
from fanwise.layers import Derived, Layer
from fanwise.layouts import TORCH
from fanwise.recipes.patterns import matcher
from fanwise.recipes.widths import FIXED, HIDDEN, OUTPUT, VECTOR, Bases, Growth
from fanwise.rules import Answer, Rule, Value, answer_of, torch_default
from fanwise.validation import choice

__all__ = ["mup", "mup_learning_rates"]

_TABLES = (3, 8)
_OPTIMIZERS = ("adam", "sgd")


def mup(
    base: Iterable[Layer],
    rule: Rule = torch_default,
    *,
    table: int = 8,
    zero_readout: str | None = None,
) -> Rule:
    r"""The maximal update parametrization (muP): a base model's initialization at another width.

    Each parameter starts as ``rule`` starts it in the base model, with its std multiplied by a
    factor that depends on which of its axes differ from the base model's. With
    ``m = fan_in / fan_in of the base model``:

    ====================================================  ===================  =================
    what grew                                             table 8              table 3
    ====================================================  ===================  =================
    input and output (hidden weights)                     1 / sqrt(m)          1 / sqrt(m)
    the input alone (output weights)                      1                    1 / m
    anything else (input weights, biases, norms)          1                    1
    ====================================================  ===================  =================

    At the base model's own width nothing changes. This is the parametrization of the ``mup``
    package, by its ``set_base_shapes`` for torch's defaults and by its ``mup.init`` for others,
    if ``table`` is 8: there the *model* must divide the input of its last layer, not its bias, by
    m, as ``MuReadout`` does. With table 3 the model stays as it is. Both are the same function,
    trained alike, with the learning rates of :func:`mup_learning_rates` for the same table. In
    both, attention's logits are to be divided by the width of a head and not by its square root;
    neither that nor the learning rates are an initialization, so nothing here does it.

    Departures from the package: it rescales Linear and convolutions, this every kind, recurrent
    layers included; it takes the first axis of a transposed convolution for the output, which is
    the input; it tells widths by a third model, "delta", here they are the sizes that differ from
    the base model's, so that a size that shall count as a width must differ.

    Args:
        base: the layers of the base model, ``fanwise.linen.layers(base_model, *inputs)`` or the
            like: the same model, of the same depth and names, and only narrower (or wider).
        rule: what starts the base model. It sees the base model's layers.
        table: the paper's table, 8 or 3.
        zero_readout: a regular expression of the whole path of the layers that start at zero,
            weight and bias: the last one, as the authors recommend; ``readout_zero_init`` in the
            package. None is none.

    Returns:
        A rule, for a model of any width.

    Raises:
        TypeError: if ``base`` is no sequence of Layers, or ``zero_readout`` no string.
        ValueError: if ``table`` is neither 8 nor 3, or ``zero_readout`` no regular expression;
            from the rule, if the base model has no such layer, if more than two axes of a
            parameter grew, or two where the input is not known; if ``rule`` answers what cannot
            be scaled: a law whose mean is not 0, or a structured one, or a function; if
            ``zero_readout`` matches a layer whose output grew.

    Example:
        >>> import fanwise as fw
        >>> def hidden(width):
        ...     sizes = {"in_features": width, "out_features": width}
        ...     shapes = {"weight": (width, width), "bias": (width,)}
        ...     return fw.Layer("fc", "Linear", sizes, shapes)
        >>> rule = fw.recipes.mup([hidden(64)], lambda layer: {"weight": fw.normal(std=0.5)})
        >>> rule(hidden(256))
        {'weight': Normal(0.0, 0.25)}

    References:
        Yang, Hu et al. (2022), Tensor Programs V: Tuning large neural networks via zero-shot
        hyperparameter transfer, tables 3 and 8; the ``mup`` package.
    """
    table = _table("mup", table)
    bases = Bases("mup", base)
    is_zero = matcher("mup", "zero_readout", zero_readout)

    def scaled(layer: Layer) -> Answer:
        origin = bases.of(layer)
        answer: dict[str, Value] = {}
        for name, value in answer_of(rule, origin).items():
            growth = bases.growth(layer, name)
            where = f"mup: {name} of {layer.path!r}"
            law = value
            if isinstance(value, Initializer):
                law = value.distribution(origin.shapes[name], TORCH if layer.kind else None)
            answer[name] = _scaled(law, growth, _factor(growth, table), where)
        if is_zero(layer.path):
            _check_readout(layer, bases)
            answer |= {name: zeros() for name in layer.parameters}
        return answer

    return scaled


def mup_learning_rates(
    base: Iterable[Layer], *, optimizer: str = "adam", table: int = 8
) -> Callable[[Layer], dict[str, float]]:
    r"""What muP multiplies the learning rate of each parameter by.

    With ``m = fan_in / fan_in of the base model``, and w the factor by which the other axis grew:

    ===================================  ===========  ===========  ==========  ===========
    what grew                            Adam, 8      Adam, 3      SGD, 8      SGD, 3
    ===================================  ===========  ===========  ==========  ===========
    input and output                     1 / m        1 / m        w / m       w / m
    the input alone                      1            1 / m        m           1 / m
    one axis that is no input            1            1            w           w
    nothing                              1            1            1           1
    ===================================  ===========  ===========  ==========  ===========

    With table 8 this is what ``MuAdam`` and ``MuSGD`` of the ``mup`` package do; a weight decay
    that is multiplied by the learning rate is to be divided by the same factor.

    Args:
        base: as for :func:`mup`.
        optimizer: ``"adam"``, for all that normalize the gradient elementwise (AdamW, RMSProp,
            Adagrad), or ``"sgd"``, with momentum or without.
        table: as for :func:`mup`.

    Returns:
        A function from a Layer to a factor for each of its parameters, by torch's names.

    Raises:
        TypeError: if ``base`` is no sequence of Layers.
        ValueError: if ``optimizer`` or ``table`` is unknown; from the function, as :func:`mup`.

    Example:
        >>> import fanwise as fw
        >>> def hidden(width):
        ...     sizes = {"in_features": width, "out_features": width}
        ...     shapes = {"weight": (width, width), "bias": (width,)}
        ...     return fw.Layer("fc", "Linear", sizes, shapes)
        >>> fw.recipes.mup_learning_rates([hidden(64)])(hidden(256))
        {'weight': 0.25, 'bias': 1.0}

    References:
        Yang, Hu et al. (2022), Tensor Programs V, tables 3 and 8.
    """
    table = _table("mup_learning_rates", table)
    is_adam = choice("mup_learning_rates", "optimizer", optimizer, _OPTIMIZERS) == "adam"
    bases = Bases("mup_learning_rates", base)

    def rate(growth: Growth) -> float:
        if growth.role == HIDDEN:
            return (1.0 if is_adam else growth.other) / growth.fan_in
        if growth.role == OUTPUT and table == 3:
            return 1 / growth.fan_in
        return 1.0 if is_adam else growth.fan_in * growth.other

    def rates(layer: Layer) -> dict[str, float]:
        return {name: rate(bases.growth(layer, name)) for name in layer.parameters}

    return rates


def _table(owner: str, table: Any) -> int:
    if isinstance(table, bool) or table not in _TABLES:
        raise ValueError(
            f"{owner}: table must be 8 or 3, the paper's tables, got {table!r}; 8 if the model "
            f"divides the input of its last layer by its width, 3 if it does not"
        )
    return int(table)


def _factor(growth: Growth, table: int) -> float:
    """What the std is multiplied by."""
    if growth.role == HIDDEN:
        return 1 / math.sqrt(growth.fan_in)
    return 1 / growth.fan_in if growth.role == OUTPUT and table == 3 else 1.0


def _check_readout(layer: Layer, bases: Bases) -> None:
    grown = [
        name for name in layer.parameters if bases.growth(layer, name).role not in (OUTPUT, FIXED)
    ]
    if grown:
        raise ValueError(
            f"mup: zero_readout matches {layer}, whose output grew, and which is no readout "
            f"therefore; narrow the pattern to the last layer"
        )


def _scaled(value: Any, growth: Growth, factor: float, where: str) -> Value:
    """A law with its std multiplied.

    The std of a structured law depends on the shape, so that even with the factor 1 it would not
    be the base model's.
    """
    known: Value = value
    if growth.role == FIXED or (isinstance(value, Derived) and value.drawn is None):
        return known
    if growth.role == VECTOR and isinstance(value, Derived):
        return known
    if isinstance(value, Constant) and (factor == 1 or not value.value):
        return known
    match value:
        case Uniform(low, high) if factor == 1 or low == -high:
            return Uniform(low * factor, high * factor)
        case Normal(mean, std) if factor == 1 or mean == 0:
            return Normal(mean, std * factor)
        case TruncatedNormal(mean, std, low, high) if factor == 1 or (mean, low) == (0, -high):
            return TruncatedNormal(mean, std * factor, low * factor, high * factor)
    allowed = "a Uniform, Normal or TruncatedNormal"
    if factor != 1:
        allowed += " that is symmetric about 0, or zero"
    kind = "a law" if isinstance(value, Distribution) else f"of type {type(value).__name__}"
    raise ValueError(
        f"{where} has another width than in the base model; the rule's answer must be {allowed}, "
        f"got {value}, {kind} whose std cannot be scaled; give the parameter another initializer"
    )
