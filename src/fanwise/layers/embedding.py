"""Embeddings: N(0, 1); the row of ``padding_idx`` is drawn like the others, then zeroed."""

from functools import partial
from typing import Any

import jax.numpy as jnp

from fanwise.distributions import Normal
from fanwise.layers.kind import Derived, Kind, Shapes, Values

__all__ = ["KINDS"]


def _embedding(num_embeddings: int, embedding_dim: int, **_: Any) -> Shapes:
    return {"weight": (num_embeddings, embedding_dim)}


def _default(num_embeddings: int, padding_idx: int | None = None, **_: Any) -> Values:
    drawn = Normal(0.0, 1.0)
    if padding_idx is None:
        return {"weight": drawn}
    row = padding_idx % num_embeddings
    return {
        "weight": Derived(f"{drawn}, row {row} zero", partial(_without_row, row=row), drawn=drawn)
    }


def _without_row(table: Any, row: int) -> Any:
    return jnp.asarray(table).at[row].set(0)


KINDS = (
    Kind("Embedding", _embedding, _default),
    Kind("EmbeddingBag", _embedding, _default),
)
