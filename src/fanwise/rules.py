"""Rules: from a layer to what its parameters start as, as a function given to torch's apply.

A rule is a plain function::

    def init_weights(layer):
        if layer.kind == "Linear":
            return {"weight": fanwise.xavier_uniform(), "bias": fanwise.zeros()}

It sees torch's names and shapes, so that fans mean what they mean in torch, and answers with an
Initializer, a Distribution, or any function ``(key, shape, dtype) -> array``. What it does not
name stays as it was. A function gets torch's shape, (out, in) for a linear layer, which
``jax.nn.initializers`` read the other way round; ours are told, unless given a ``layout``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanwise.distributions import Distribution
from fanwise.initializers import Initializer
from fanwise.layers import KINDS, Derived, Layer, family, kind_of

__all__ = ["Answer", "Rule", "answer_of", "by_kind", "by_path", "chain", "torch_default"]

Value: TypeAlias = Initializer | Distribution | Derived | Callable[..., Any]
Answer: TypeAlias = Mapping[str, Value] | None
Rule: TypeAlias = Callable[[Layer], Answer]


def torch_default(layer: Layer) -> Answer:
    """What torch's constructor leaves in the layer; nothing where torch has no such layer.

    Example:
        >>> linear = Layer(
        ...     "fc",
        ...     "Linear",
        ...     {"in_features": 16, "out_features": 8},
        ...     {"weight": (8, 16), "bias": (8,)},
        ... )
        >>> print(torch_default(linear)["weight"])
        Uniform(-0.25, 0.25)
    """
    if layer.kind is None:
        return None
    values = kind_of(layer.kind).default(**layer.hyperparameters)
    return {name: value for name, value in values.items() if name in layer.shapes}


def chain(*rules: Rule) -> Rule:
    """One rule after another: where two name the same parameter, the later one decides.

    As calling torch's apply with one after the other.
    """

    def chained(layer: Layer) -> Answer:
        answer: dict[str, Value] = {}
        for rule in rules:
            answer |= answer_of(rule, layer)
        return answer

    return chained


def by_kind(rules: Mapping[str, Rule | Mapping[str, Value]]) -> Rule:
    """A rule, or an answer, for each kind: ``{"Conv2d": {...}, "Linear": {...}}``.

    A name without its number of dimensions stands for all of them (``"Conv"``); the full name
    goes first.

    Raises:
        ValueError: for a name that is no class of torch.nn with parameters.
    """
    for name in rules:
        if name not in {family(kind) for kind in KINDS}:
            kind_of(name)  # raises for a name that is unknown

    def of_kind(layer: Layer) -> Answer:
        if layer.kind is None:
            return None
        for name in (layer.kind, family(layer.kind)):
            if name in rules:
                return _answer(rules[name], layer)
        return None

    return of_kind


def by_path(rules: Mapping[str, Rule | Mapping[str, Value]]) -> Rule:
    r"""A rule, or an answer, for each regular expression that matches a whole path.

    The first that matches decides: ``{r"blocks/\d+/out": {...}, r".*": torch_default}``.

    Raises:
        re.error: for a bad regular expression.
    """
    compiled = [(re.compile(pattern), rule) for pattern, rule in rules.items()]

    def of_path(layer: Layer) -> Answer:
        for pattern, rule in compiled:
            if pattern.fullmatch(layer.path):
                return _answer(rule, layer)
        return None

    return of_path


def _answer(rule: Rule | Mapping[str, Value], layer: Layer) -> Answer:
    return rule(layer) if callable(rule) else rule


def answer_of(rule: Rule, layer: Layer) -> dict[str, Value]:
    """Ask a rule, and check what it answers.

    Raises:
        TypeError: if the answer is no mapping, or a value no Initializer, Distribution or
            function.
        ValueError: if it names what the layer does not have.
    """
    if not callable(rule) or isinstance(rule, Initializer):
        raise TypeError(
            f"rule must be a function from a layer to a mapping, got {rule!r} of type "
            f"{type(rule).__name__}; by_kind() and by_path() make one of a mapping"
        )
    answer = rule(layer)
    if answer is None:
        return {}
    where = f"the rule's answer for {layer.path or '.'} ({layer.kind or layer.source})"
    if not isinstance(answer, Mapping):
        raise TypeError(
            f"{where} must be a mapping from parameter names to initializers, or None, got "
            f"{answer!r} of type {type(answer).__name__}"
        )
    for name, value in answer.items():
        if name not in layer.shapes:
            raise ValueError(
                f"{where} names {name!r}; the layer has {', '.join(layer.shapes) or 'nothing'}"
            )
        if isinstance(value, type) or not (
            isinstance(value, Distribution | Derived) or callable(value)
        ):
            raise TypeError(
                f"{where}: {name!r} must be an Initializer, a Distribution or a function (key, "
                f"shape, dtype), got {value!r} of type {type(value).__name__}"
            )
    return dict(answer)
