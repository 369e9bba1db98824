"""The published initializations in torch, written from their papers and documentation.

Each takes a network and fills it, as ``network.apply(init_weights)`` would. What it does not
speak of stays as the layer's constructor drew it.
"""

import math

from torch import nn
from torch.nn import init

__all__ = ["bert", "dcgan", "gpt2", "resnet", "vgg", "vit"]


def _zero(bias: nn.Parameter | None) -> None:
    if bias is not None:
        init.zeros_(bias)


def resnet(network: nn.Module, last: str = "") -> nn.Module:
    """``last`` is what torchvision calls the last norm of the blocks that start as identity."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            init.constant_(module.weight, 1)
            init.constant_(module.bias, 0)
        if last and name.endswith(f".{last}"):
            init.constant_(module.weight, 0)
    return network


def vgg(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            _zero(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            init.constant_(module.weight, 1)
            init.constant_(module.bias, 0)
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, 0, 0.01)
            _zero(module.bias)
    return network


def dcgan(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if "Conv" in type(module).__name__:
            init.normal_(module.weight, 0.0, 0.02)
        elif "BatchNorm" in type(module).__name__:
            init.normal_(module.weight, 1.0, 0.02)
            init.constant_(module.bias, 0)
    return network


def _transformer(module: nn.Module, std: float) -> None:
    """What GPT-2 and BERT have in common in transformers; a MultiheadAttention as its Linears."""
    if isinstance(module, nn.Linear):
        init.normal_(module.weight, 0.0, std)
        _zero(module.bias)
    elif isinstance(module, nn.Embedding):
        init.normal_(module.weight, 0.0, std)
        if module.padding_idx is not None:
            init.zeros_(module.weight[module.padding_idx])
    elif isinstance(module, nn.LayerNorm):
        init.zeros_(module.bias)
        init.ones_(module.weight)
    elif isinstance(module, nn.MultiheadAttention):
        for name, parameter in module.named_parameters(recurse=False):
            if name.endswith("_weight"):
                init.normal_(parameter, 0.0, std)
        _zero(module.in_proj_bias)


def gpt2(network: nn.Module, layers: int, std: float = 0.02) -> nn.Module:
    for module in network.modules():
        _transformer(module, std)
    for name, parameter in network.named_parameters():
        if name.endswith(("c_proj.weight", "attn.out_proj.weight")):
            init.normal_(parameter, mean=0.0, std=std / math.sqrt(2 * layers))
    return network


def bert(network: nn.Module, std: float = 0.02) -> nn.Module:
    for module in network.modules():
        _transformer(module, std)
    return network


def vit(network: nn.Module) -> nn.Module:
    tokens = dict(network.named_parameters(recurse=False))
    init.trunc_normal_(tokens["pos_embed"], std=0.02)
    init.normal_(tokens["cls_token"], std=1e-6)
    init.normal_(tokens["reg_token"], std=1e-6)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=0.02)
            _zero(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            init.trunc_normal_(module.in_proj_weight, std=0.02)
            _zero(module.in_proj_bias)
    return network
