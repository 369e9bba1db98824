"""torchvision's VGG."""

from fanwise.initializers import kaiming_normal, normal, ones, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import dense, held
from fanwise.rules import Rule, Value, by_kind, chain, torch_default

__all__ = ["vgg"]


def vgg() -> Rule:
    r"""torchvision's VGG, with and without BatchNorm.

    .. math::
        W_\text{conv} \sim N\Bigl(0, \frac{2}{\text{fan\_out}}\Bigr), \quad
        W_\text{linear} \sim N(0, 0.01^2)

    with ``fan_out = out * k``, k the number of the kernel's positions. Biases of both start at 0,
    BatchNorm with weight 1 and bias 0.

    It is not what the paper describes: there the deep networks began with the layers of a
    shallower one that had been trained, and the rest was normal of *variance* 0.01.

    Returns:
        A rule.

    Example:
        >>> import fanwise as fw
        >>> sizes = {"in_features": 4, "out_features": 2}
        >>> layer = fw.Layer("fc", "Linear", sizes, {"weight": (2, 4), "bias": (2,)})
        >>> fw.recipes.vgg()(layer)
        {'weight': normal(std=0.01), 'bias': zeros()}

    References:
        ``torchvision.models.vgg.VGG``; Simonyan and Zisserman (2015), Very deep convolutional
        networks for large-scale image recognition, section 3.1.
    """

    def convolution(layer: Layer) -> dict[str, Value]:
        return dense(layer, kaiming_normal(mode="fan_out", nonlinearity="relu"))

    def linear(layer: Layer) -> dict[str, Value]:
        return dense(layer, normal(std=0.01))

    def norm(layer: Layer) -> dict[str, Value]:
        return held(layer, {"weight": ones(), "bias": zeros()})

    own = by_kind({"Conv": convolution, "Linear": linear, "BatchNorm": norm})
    return chain(torch_default, own)
