"""GPT-2, as in Hugging Face's transformers and nanoGPT."""

import math

from fanwise.initializers import normal, ones, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import attention, dense, embedding, held
from fanwise.recipes.patterns import matcher
from fanwise.rules import Rule, Value, by_kind, chain, torch_default
from fanwise.validation import positive_integer, real

__all__ = ["gpt2"]

RESIDUAL = r"(.*/)?c_proj"
"""GPT-2's own name of both projections."""


def gpt2(num_layers: int, residual: str | None = RESIDUAL, std: float = 0.02) -> Rule:
    r"""GPT-2: normals of std 0.02, smaller by depth where a block adds to the residual stream.

    .. math::
        W \sim N(0, \text{std}^2), \quad
        W_\text{residual} \sim N\Bigl(0, \frac{\text{std}^2}{2 \cdot \text{num\_layers}}\Bigr)

    for Linear, Embedding (of tokens and of positions) and attention; biases start at 0, LayerNorm
    with weight 1 and bias 0. Each block adds twice to the residual stream, by its attention and
    by its MLP, so that the paper's N residual layers are ``2 * num_layers``; the scaled
    projections are the attention's output and the MLP's second Linear. A MultiheadAttention's
    ``out_proj`` counts as one, whatever its path.

    The code that was published with the paper scales nothing by depth and draws positions with
    std 0.01; this is Hugging Face's, and nanoGPT's, reading of the paper. A head that shares the
    table of the tokens needs no word: it is no layer of its own.

    Args:
        num_layers: the number of blocks.
        residual: a regular expression of the whole path of the Linear layers whose output is added
            to the residual stream: GPT-2's own ``c_proj``. Where yours are called otherwise, and
            this is not said, they are drawn like the others. None is none.
        std: the standard deviation, at least 0.

    Returns:
        A rule.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if ``num_layers`` is not positive, ``residual`` no regular expression, or
            ``std`` negative or not finite.

    Example:
        >>> import fanwise as fw
        >>> rule = fw.recipes.gpt2(num_layers=8)
        >>> sizes, shapes = {"in_features": 64, "out_features": 16}, {"weight": (16, 64)}
        >>> rule(fw.Layer("h/0/mlp/c_proj", "Linear", sizes, shapes))
        {'weight': normal(std=0.005)}
        >>> rule(fw.Layer("h/0/mlp/c_fc", "Linear", sizes, shapes))
        {'weight': normal(std=0.02)}

    References:
        Radford et al. (2019), Language models are unsupervised multitask learners, section 2.3;
        ``GPT2PreTrainedModel._init_weights`` of transformers.
    """
    num_layers = positive_integer("gpt2", "num_layers", num_layers)
    std = real("gpt2", "std", std, minimum=0.0)
    is_residual = matcher("gpt2", "residual", residual)
    plain, scaled = normal(std=std), normal(std=std / math.sqrt(2 * num_layers))

    def linear(layer: Layer) -> dict[str, Value]:
        return dense(layer, scaled if is_residual(layer.path) else plain)

    def norm(layer: Layer) -> dict[str, Value]:
        return held(layer, {"weight": ones(), "bias": zeros()})

    own = by_kind(
        {
            "Linear": linear,
            "Embedding": lambda layer: embedding(layer, plain),
            "MultiheadAttention": lambda layer: attention(layer, plain, scaled),
            "LayerNorm": norm,
        }
    )
    return chain(torch_default, own)
