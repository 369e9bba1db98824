"""Every class of ``torch.nn`` that owns parameters, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from fanwise.layers import (
    activation,
    adaptive_softmax,
    attention,
    convolution,
    embedding,
    linear,
    normalization,
    recurrent,
    reparametrization,
    transformer,
)
from fanwise.layers.kind import Kind

__all__ = ["KINDS", "kind_of"]

_FAMILIES = (
    linear,
    convolution,
    embedding,
    recurrent,
    attention,
    normalization,
    activation,
    adaptive_softmax,
    transformer,
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for family in _FAMILIES for kind in family.KINDS}
)

_REPARAMETRIZED = {
    "orthogonal": reparametrization.orthogonal,
    "spectral_norm": reparametrization.spectral_norm,
    "weight_norm": reparametrization.weight_norm,
}


def kind_of(name: str) -> Kind:
    """What is known of a class of torch.nn, or of one in ``"weight_norm(Linear)"`` and the like.

    Raises:
        ValueError: if there is no class of that name with parameters.

    Example:
        >>> kind_of("Linear").shapes(in_features=3, out_features=2)
        {'weight': (2, 3), 'bias': (2,)}
    """
    outer, _, inner = name.partition("(")
    if outer in _REPARAMETRIZED and inner.removesuffix(")") in KINDS:
        return _REPARAMETRIZED[outer](KINDS[inner.removesuffix(")")])
    if name not in KINDS:
        raise ValueError(
            f"kind must be a class of torch.nn that owns parameters, got {name!r}; known are "
            f"{', '.join(KINDS)}"
        )
    return KINDS[name]
