"""weight_norm, spectral_norm and orthogonal: what they make of a layer's weight.

They are functions around a layer, so that each takes the Kind of that layer and gives another:
``weight_norm(kind_of("Linear"))``. Names are those of ``torch.nn.utils.parametrizations``; the
older ``torch.nn.utils.weight_norm`` calls original0 and original1 weight_g and weight_v.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from fanwise.distributions import Normal
from fanwise.layers.kind import Derived, Draw, Kind, Shapes, Values

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_PREFIX = "parametrizations.weight."
_STANDARD = Normal(0.0, 1.0)

# Of torch's power method when a spectral norm is registered; its first forward pass, by which torch
# checks what it has registered, adds those of a forward pass.
_ROUNDS = 15


def weight_norm(kind: Kind) -> Kind:
    """``weight = original0 * original1 / norm(original1)``.

    original1 is drawn as the weight is, original0 is its norm over all axes but the first, so
    that the weight starts as the layer's own; the first axis is the input for ConvTranspose.
    """
    size, direction = f"{_PREFIX}original0", f"{_PREFIX}original1"

    def shapes(**hyperparameters: Any) -> Shapes:
        made, weight = _without_weight(kind.shapes(**hyperparameters))
        return made | {size: (weight[0], *(1,) * (len(weight) - 1)), direction: weight}

    def default(**hyperparameters: Any) -> Values:
        values, drawn = _without_weight(kind.default(**hyperparameters))
        norm = Derived("norm of original1 over all axes but 0", _norm, (direction,))
        return values | {direction: drawn, size: norm}

    return Kind(f"weight_norm({kind.name})", shapes, default, _draws(kind, direction))


def spectral_norm(kind: Kind, n_power_iterations: int = 1, eps: float = 1e-12) -> Kind:
    """``weight = original / sigma``, sigma its largest singular value, by two buffers.

    The weight is read as a matrix of its first axis (of its second for ConvTranspose) by all
    others. ``_v`` is a vector of normals after 15 + n_power_iterations rounds of the power
    method, as in torch. ``_u`` is what the next round makes of it, half a round ahead of torch's:
    the same as after the first step of torch's forward pass.
    """
    rounds = _ROUNDS + n_power_iterations
    axis = 1 if "ConvTranspose" in kind.name else 0
    weight, left, right = (f"{_PREFIX}{name}" for name in ("original", "0._u", "0._v"))

    def shapes(**hyperparameters: Any) -> Shapes:
        made, shape = _without_weight(kind.shapes(**hyperparameters))
        return made | {weight: shape}

    def buffers(**hyperparameters: Any) -> Shapes:
        shape = kind.shapes(**hyperparameters)["weight"]
        return {left: (shape[axis],), right: (math.prod(shape) // shape[axis],)}

    def default(**hyperparameters: Any) -> Values:
        values, drawn = _without_weight(kind.default(**hyperparameters))
        text = f"singular vector after {rounds} rounds of the power method"
        find_left, find_right = partial(_left, axis, eps), partial(_right, axis, rounds, eps)
        return values | {
            weight: drawn,
            right: Derived(f"right {text}", find_right, (weight,), _STANDARD),
            left: Derived(f"left {text}", find_left, (weight, right)),
        }

    def draws(**hyperparameters: Any) -> tuple[Draw, ...]:
        # torch draws the left one too, and computes it anew from the right one.
        return (*_draws(kind, weight)(**hyperparameters), (left, _STANDARD), (right, _STANDARD))

    return Kind(f"spectral_norm({kind.name})", shapes, default, draws, buffers)


def orthogonal(kind: Kind) -> Kind:
    """An orthogonal weight, ``base`` moved by a map of ``original``, which is minus the identity.

    The last two axes are a matrix, those before them a batch. ``base`` is the Q, with the
    diagonal of R made positive, of the layer's own weight, or its transpose if that is taller,
    and of as many columns of normals beside it as make it square.
    """
    weight, base = f"{_PREFIX}original", f"{_PREFIX}0.base"

    def shapes(**hyperparameters: Any) -> Shapes:
        made, shape = _without_weight(kind.shapes(**hyperparameters))
        return made | {weight: shape}

    def buffers(**hyperparameters: Any) -> Shapes:
        shape = kind.shapes(**hyperparameters)["weight"]
        return {base: (*shape[:-2], max(shape[-2:]), max(shape[-2:]))}

    def default(**hyperparameters: Any) -> Values:
        values, drawn = _without_weight(kind.default(**hyperparameters))
        shape = kind.shapes(**hyperparameters)["weight"]
        find = partial(_base, min(shape[-2:]), drawn.support[1])
        identity = partial(_minus_identity, shape)
        return values | {
            base: Derived("sign-fixed Q of the default weight", find, (), _STANDARD),
            weight: Derived("minus the identity", identity),
        }

    def draws(**hyperparameters: Any) -> tuple[Draw, ...]:
        shape = kind.shapes(**hyperparameters)["weight"]
        completed = () if shape[-2] == shape[-1] else ((base, _STANDARD),)
        return (*_draws(kind, weight)(**hyperparameters), *completed)

    return Kind(f"orthogonal({kind.name})", shapes, default, draws, buffers)


def _without_weight(made: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    rest = dict(made)
    return rest, rest.pop("weight")


def _draws(kind: Kind, name: str) -> Callable[..., tuple[Draw, ...]]:
    """The draws of the layer itself, its weight under another name."""

    def draws(**hyperparameters: Any) -> tuple[Draw, ...]:
        return tuple(
            (name if own == "weight" else own, distribution)
            for own, distribution in kind.drawn(**hyperparameters)
        )

    return draws


def _norm(weight: Any) -> Any:
    weight = jnp.asarray(weight)
    return jnp.sqrt(jnp.sum(weight * weight, axis=tuple(range(1, weight.ndim)), keepdims=True))


def _matrix(axis: int, weight: Any) -> Any:
    return jnp.moveaxis(jnp.asarray(weight), axis, 0).reshape(weight.shape[axis], -1)


def _unit(vector: Any, eps: float) -> Any:
    return vector / jnp.maximum(jnp.linalg.norm(vector), jnp.asarray(eps, vector.dtype))


def _left(axis: int, eps: float, weight: Any, right: Any) -> Any:
    return _unit(_matrix(axis, weight) @ jnp.asarray(right), eps)


def _right(axis: int, rounds: int, eps: float, drawn: Any, weight: Any) -> Any:
    matrix, right = _matrix(axis, weight), jnp.asarray(drawn)
    for _ in range(rounds):
        right = _unit(matrix.T @ _unit(matrix @ right, eps), eps)
    return right


def _minus_identity(shape: tuple[int, ...]) -> Any:
    return jnp.broadcast_to(-jnp.eye(shape[-2], shape[-1]), shape)


def _base(columns: int, bound: float, drawn: Any) -> Any:
    """The first columns of the normals are made the uniforms that the weight is drawn from."""
    normals = jnp.asarray(drawn)
    uniforms = jnp.asarray(bound, normals.dtype) * jax.lax.erf(normals * math.sqrt(0.5))
    is_weight = jnp.arange(normals.shape[-1]) < columns
    q, r = jnp.linalg.qr(jnp.where(is_weight, uniforms, normals))
    return q * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
