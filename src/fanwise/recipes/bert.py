"""BERT, as in Hugging Face's transformers."""

from collections.abc import Mapping
from typing import Any

from fanwise.initializers import normal, ones, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import attention, dense, embedding, held
from fanwise.recipes.patterns import matcher
from fanwise.rules import Rule, Value, by_kind, chain, torch_default
from fanwise.validation import real

__all__ = ["bert"]


def bert(std: float = 0.02, padding: Mapping[str, int] | None = None) -> Rule:
    r"""BERT, as in Hugging Face's transformers: normals of std 0.02.

    .. math:: W \sim N(0, \text{std}^2)

    for Linear, Embedding and attention; biases start at 0, LayerNorm with weight 1 and bias 0.
    The row of an Embedding's ``padding_idx`` is drawn and then zeroed, as there. Google's own
    code draws again what lies beyond two standard deviations; transformers does not.

    Args:
        std: the standard deviation, at least 0; ``initializer_range`` in transformers.
        padding: rows that are zero, by a regular expression of the whole path of the Embedding.
            Flax's Embed has no ``padding_idx``, so that it has to be said here: transformers'
            BERT has ``{r".*word_embeddings": 0}``. The first pattern that matches decides.

    Returns:
        A rule.

    Raises:
        TypeError: if ``std`` is no real number, ``padding`` no mapping, or a row no integer.
        ValueError: if ``std`` is negative or not finite, or a pattern no regular expression; from
            the rule, if an Embedding has no such row.

    Example:
        >>> import fanwise as fw
        >>> rule = fw.recipes.bert(padding={r".*word_embeddings": 0})
        >>> sizes = {"num_embeddings": 100, "embedding_dim": 8}
        >>> words = fw.Layer("bert/word_embeddings", "Embedding", sizes, {"weight": (100, 8)})
        >>> print(rule(words)["weight"])
        Normal(0, 0.02), row 0 zero

    References:
        ``BertPreTrainedModel._init_weights`` of transformers; Devlin et al. (2019), BERT, and its
        ``create_initializer``.
    """
    std = real("bert", "std", std, minimum=0.0)
    if padding is not None and not isinstance(padding, Mapping):
        raise TypeError(
            f"bert: padding must be a mapping from patterns to rows, or None, got {padding!r} of "
            f"type {type(padding).__name__}; pass {{r'.*word_embeddings': 0}}"
        )
    rows = [
        (matcher("bert", "padding", pattern), _row(pattern, row))
        for pattern, row in (padding or {}).items()
    ]
    weight = normal(std=std)

    def table(layer: Layer) -> dict[str, Value]:
        row = next((row for matches, row in rows if matches(layer.path)), None)
        return embedding(layer, weight, row)

    own = by_kind(
        {
            "Linear": lambda layer: dense(layer, weight),
            "Embedding": table,
            "MultiheadAttention": lambda layer: attention(layer, weight, weight),
            "LayerNorm": lambda layer: held(layer, {"weight": ones(), "bias": zeros()}),
        }
    )
    return chain(torch_default, own)


def _row(pattern: str, row: Any) -> int:
    if isinstance(row, bool) or not isinstance(row, int):
        raise TypeError(
            f"bert: padding[{pattern!r}] must be the number of a row, got {row!r} of type "
            f"{type(row).__name__}; pass an int"
        )
    return row
