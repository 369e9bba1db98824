"""The vision transformer, as in timm."""

from fanwise.initializers import normal, ones, trunc_normal, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import attention, dense, held
from fanwise.recipes.patterns import matcher
from fanwise.rules import Answer, Rule, Value, by_kind, chain, torch_default
from fanwise.validation import real

__all__ = ["vit"]

TOKENS = r"(.*/)?(cls|cls_token|class_token|reg_token)"
POSITIONS = r"(.*/)?(pos_embed|pos_embedding|position_embeddings?)"


def vit(
    std: float = 0.02,
    token_std: float = 1e-6,
    tokens: str | None = TOKENS,
    positions: str | None = POSITIONS,
) -> Rule:
    r"""The vision transformer as timm starts it: truncated normals of std 0.02.

    .. math::
        W_\text{linear}, \text{positions} \sim N(0, \text{std}^2) \text{ within } [-2, 2], \quad
        \text{tokens} \sim N(0, \text{token\_std}^2)

    The bounds are absolute, as in ``torch.nn.init.trunc_normal_``: with std 0.02 they lie 100
    standard deviations out, and nothing is cut off. Attention counts as its Linear layers, in and
    out alike; all their biases start at 0, LayerNorm with weight 1 and bias 0. The convolution of
    the patches keeps torch's default, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), weight and bias: timm's
    function speaks of Linear alone.

    torchvision's vision transformer is another: xavier_uniform in the MLP, a truncated normal of
    std sqrt(1/fan_in) for the patches, normal positions, a class token and a head of zeros.

    Args:
        std: the standard deviation before truncation, greater than 0.
        token_std: that of class and register tokens, at least 0.
        tokens: a regular expression of the whole path of the tokens. They are parameters of no
            layer; the path is that of their module, ``/`` and their name. None is none.
        positions: the same for the embeddings of positions, which may also be an Embedding.

    Returns:
        A rule. Parameters of no layer that neither pattern matches are left alone.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if ``std`` is not positive, ``token_std`` negative, or a pattern no regular
            expression.

    Example:
        >>> import fanwise as fw
        >>> rule = fw.recipes.vit()
        >>> rule(fw.Layer("", None, parameters={"cls_token": (1, 1, 8), "other": (8,)}))
        {'cls_token': normal(std=1e-06)}
        >>> sizes = {"in_features": 8, "out_features": 2}
        >>> layer = fw.Layer("head", "Linear", sizes, {"weight": (2, 8), "bias": (2,)})
        >>> rule(layer)
        {'weight': trunc_normal(std=0.02), 'bias': zeros()}

    References:
        ``timm.models.vision_transformer``, its default ``weight_init=""``; Dosovitskiy et al.
        (2021), An image is worth 16x16 words.
    """
    weight = trunc_normal(std=real("vit", "std", std, above=0.0))
    token = normal(std=real("vit", "token_std", token_std, minimum=0.0))
    is_token = matcher("vit", "tokens", tokens)
    is_position = matcher("vit", "positions", positions)

    def embedding(layer: Layer) -> Answer:
        return {"weight": weight} if is_position(layer.path) else None

    def of_no_layer(layer: Layer) -> Answer:
        if layer.kind is not None:
            return None
        found: dict[str, Value] = {}
        for name in layer.parameters:
            path = f"{layer.path}/{name}" if layer.path else name
            if is_token(path):
                found[name] = token
            elif is_position(path):
                found[name] = weight
        return found

    own = by_kind(
        {
            "Linear": lambda layer: dense(layer, weight),
            "Embedding": embedding,
            "MultiheadAttention": lambda layer: attention(layer, weight, weight),
            "LayerNorm": lambda layer: held(layer, {"weight": ones(), "bias": zeros()}),
        }
    )
    return chain(torch_default, own, of_no_layer)
