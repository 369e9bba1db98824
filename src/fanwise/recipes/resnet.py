"""torchvision's ResNet."""

from typing import Any

from fanwise.initializers import kaiming_normal, ones, zeros
from fanwise.layers import Layer
from fanwise.recipes.layer_values import held
from fanwise.recipes.patterns import matcher
from fanwise.rules import Rule, Value, by_kind, chain, torch_default

__all__ = ["resnet"]

_NORMS = ("BatchNorm", "GroupNorm")


def resnet(zero_init_residual: str | None = None) -> Rule:
    r"""torchvision's ResNet, ResNeXt and Wide ResNet: kaiming_normal by fan_out.

    .. math::
        W_\text{conv} \sim N\Bigl(0, \frac{2}{\text{fan\_out}}\Bigr), \quad
        \text{fan\_out} = \text{out} \cdot k

    with k the number of the kernel's positions; torch counts all output channels, whatever the
    groups. BatchNorm and GroupNorm start with weight 1 and bias 0, Linear as torch's default,
    U(-1/sqrt(in), 1/sqrt(in)), weight and bias. torchvision's convolutions have no biases; one
    that is there keeps torch's default.

    Args:
        zero_init_residual: a regular expression of the whole path of the last norm in each
            residual branch, whose weight starts at 0, so that a block starts as the identity. In
            torchvision a flag, which the class of the block turns into a name: ``r".*/bn2"`` for
            BasicBlock (ResNet-18 and -34), ``r".*/bn3"`` for Bottleneck (ResNet-50 and deeper).
            In linen, names that nobody gave are ``r".*/BatchNorm_1"`` and ``r".*/BatchNorm_2"``.
            None leaves all at 1, torchvision's default.

    Returns:
        A rule.

    Raises:
        TypeError: if the argument is no pattern. True is not enough: the same names mean the last
            norm in one block and not in the other.
        ValueError: if it is no regular expression; from the rule, if it matches a layer that is
            no norm.

    Example:
        >>> import fanwise as fw
        >>> rule = fw.recipes.resnet(zero_init_residual=r".*/bn2")
        >>> sizes = {"in_channels": 3, "out_channels": 64, "kernel_size": 7, "bias": False}
        >>> rule(fw.Layer("conv1", "Conv2d", sizes, {"weight": (64, 3, 7, 7)}))
        {'weight': kaiming_normal(mode='fan_out', nonlinearity='relu')}
        >>> last = fw.Layer("layer1/0/bn2", "BatchNorm2d", {"num_features": 64}, {"weight": (64,)})
        >>> rule(last)
        {'weight': zeros()}

    References:
        ``torchvision.models.resnet.ResNet``; He et al. (2015), Delving deep into rectifiers; Goyal
        et al. (2017), Accurate, large minibatch SGD, section 5.1, for the zeros.
    """
    if isinstance(zero_init_residual, bool):
        raise TypeError(
            f"resnet: zero_init_residual must be a regular expression of the paths of the last "
            f"norm in each residual branch, or None, got {zero_init_residual!r}; torchvision's "
            f"are r'.*/bn2' for BasicBlock and r'.*/bn3' for Bottleneck"
        )
    is_last = matcher("resnet", "zero_init_residual", zero_init_residual)

    def convolution(layer: Layer) -> dict[str, Value]:
        return {"weight": kaiming_normal(mode="fan_out", nonlinearity="relu")}

    def norm(layer: Layer) -> dict[str, Value]:
        return held(layer, {"weight": ones(), "bias": zeros()})

    def last(layer: Layer) -> dict[str, Any] | None:
        if not is_last(layer.path):
            return None
        if not (layer.kind or "").startswith(_NORMS):
            raise ValueError(
                f"resnet: zero_init_residual={zero_init_residual!r} matches {layer}, which is "
                f"neither a BatchNorm nor a GroupNorm; narrow the pattern to the norms"
            )
        return held(layer, {"weight": zeros()})

    own = by_kind({"Conv": convolution, **dict.fromkeys(_NORMS, norm)})
    return chain(torch_default, own, last)
