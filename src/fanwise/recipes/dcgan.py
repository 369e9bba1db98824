"""DCGAN, as in PyTorch's tutorial."""

from fanwise.initializers import normal, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import held
from fanwise.rules import Rule, Value, by_kind, chain, torch_default
from fanwise.validation import real

__all__ = ["dcgan"]


def dcgan(std: float = 0.02) -> Rule:
    r"""DCGAN's generator and discriminator, as in PyTorch's tutorial.

    .. math::
        W_\text{conv} \sim N(0, \text{std}^2), \quad
        \gamma_\text{BatchNorm} \sim N(1, \text{std}^2), \quad \beta_\text{BatchNorm} = 0

    for convolutions and transposed convolutions alike. Their biases, which the tutorial's
    networks do not have, keep torch's default, and so does a Linear: the tutorial's function
    speaks of neither. The paper has all weights from a normal of std 0.02; the mean of 1 for
    BatchNorm's is the tutorial's.

    Args:
        std: the standard deviation, at least 0.

    Returns:
        A rule.

    Raises:
        TypeError: if ``std`` is no real number.
        ValueError: if it is negative or not finite.

    Example:
        >>> import fanwise as fw
        >>> shapes = {"weight": (64,), "bias": (64,)}
        >>> fw.recipes.dcgan()(fw.Layer("bn", "BatchNorm2d", {"num_features": 64}, shapes))
        {'weight': normal(mean=1.0, std=0.02), 'bias': zeros()}

    References:
        PyTorch's DCGAN tutorial and ``examples/dcgan``; Radford et al. (2016), Unsupervised
        representation learning with deep convolutional generative adversarial networks, section 4.
    """
    std = real("dcgan", "std", std, minimum=0.0)

    def convolution(layer: Layer) -> dict[str, Value]:
        return {"weight": normal(std=std)}

    def norm(layer: Layer) -> dict[str, Value]:
        return held(layer, {"weight": normal(1.0, std), "bias": zeros()})

    own = by_kind({"Conv": convolution, "ConvTranspose": convolution, "BatchNorm": norm})
    return chain(torch_default, own)
