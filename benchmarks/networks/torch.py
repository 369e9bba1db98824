"""The networks in torch. Only construction is timed, so there is no forward pass.

``usual=True`` draws the parameters as such models are drawn: over the values that the layers drew
for themselves when they were constructed, which is how torch is used. ``usual=False`` leaves it
at those.
"""

import torch
from torch import nn

from benchmarks.networks import Network, ResNet, Transformer

__all__ = ["build", "elements_of"]


def build(network: Network, usual: bool) -> nn.Module:
    """Construct the model."""
    if isinstance(network, ResNet):
        return TorchResNet(network, usual)
    return TorchTransformer(network, usual)


class TorchBlock(nn.Module):
    def __init__(self, network: Transformer) -> None:
        super().__init__()
        width = network.width
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)


class TorchTransformer(nn.Module):
    def __init__(self, network: Transformer, usual: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(network.vocabulary, network.width)
        self.positions = nn.Embedding(network.positions, network.width)
        self.blocks = nn.ModuleList(TorchBlock(network) for _ in range(network.layers))
        self.norm = nn.LayerNorm(network.width)
        self.head = nn.Linear(network.width, network.vocabulary, bias=False)
        if not usual:
            return
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                is_residual = name.endswith("_out")
                std = network.residual_std if is_residual else network.std
                nn.init.normal_(module.weight, 0.0, std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, 0.0, network.std)


class TorchBottleneck(nn.Module):
    def __init__(self, entering: int, width: int, stride: int, changes: bool) -> None:
        super().__init__()
        self.reduce, self.norm_1 = _conv(entering, width, 1), nn.BatchNorm2d(width)
        self.spatial, self.norm_2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.expand, self.norm_3 = _conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        if changes:
            self.shortcut = _conv(entering, 4 * width, 1, stride)
            self.shortcut_norm = nn.BatchNorm2d(4 * width)


class TorchResNet(nn.Module):
    def __init__(self, network: ResNet, usual: bool) -> None:
        super().__init__()
        entering = network.width
        self.conv, self.norm = _conv(3, entering, 7, 2), nn.BatchNorm2d(entering)
        blocks = []
        for stage, count in enumerate(network.stages):
            width = network.width * 2**stage
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(TorchBottleneck(entering, width, stride, index == 0))
                entering = 4 * width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(entering, network.classes)
        if not usual:
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, 0.0, network.head_std)
        nn.init.zeros_(self.head.bias)


def _conv(entering: int, leaving: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(entering, leaving, size, stride, padding=size // 2, bias=False)


def elements_of(model: nn.Module) -> int:
    """Count the elements of parameters and floating-point buffers."""
    state = (*model.parameters(), *model.buffers())
    return sum(tensor.numel() for tensor in state if torch.is_floating_point(tensor))
