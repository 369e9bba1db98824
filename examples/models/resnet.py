"""ResNet with basic blocks, torch's as in torchvision."""

import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, images

__all__ = ["RESNET", "LinenResNet", "ResNet", "TorchResNet"]

# What torch calls momentum is 1 minus what Flax calls so; epsilon is the same in both.
NORM = {"momentum": 0.9, "epsilon": 1e-5}


class TorchBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        """A map of the same size, or of half of it."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class TorchResNet(nn.Module):
    """Stages of blocks, each of half the size and twice the width of the one before."""

    def __init__(self, stages=(2, 1, 1), width=8, num_classes=10, zero_init_residual=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inputs = width
        for index, blocks in enumerate(stages):
            outputs = width * 2**index
            first = TorchBlock(inputs, outputs, stride=1 if index == 0 else 2)
            rest = [TorchBlock(outputs, outputs) for _ in range(blocks - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(first, *rest))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, num_classes)
        self.stages = len(stages)

        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, TorchBlock):
                    nn.init.constant_(m.bn2.weight, 0)

    def forward(self, x):
        """Logits of images with channels first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for index in range(self.stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class LinenBlock(linen.Module):
    """Two convolutions beside a shortcut."""

    width: int
    stride: int = 1

    @linen.compact
    def __call__(self, x, train=False):
        """A map of the same size, or of half of it."""
        shortcut = x
        norm = {"use_running_average": not train, **NORM}
        x = linen.Conv(self.width, (3, 3), strides=self.stride, padding=1, use_bias=False)(x)
        x = linen.relu(linen.BatchNorm(**norm)(x))
        x = linen.Conv(self.width, (3, 3), padding=1, use_bias=False)(x)
        x = linen.BatchNorm(**norm)(x)
        if shortcut.shape != x.shape:
            shortcut = linen.Conv(
                self.width, (1, 1), strides=self.stride, use_bias=False, name="conv_proj"
            )(shortcut)
            shortcut = linen.BatchNorm(**norm, name="norm_proj")(shortcut)
        return linen.relu(x + shortcut)


class LinenResNet(linen.Module):
    """Blocks are numbered through all stages, as in Flax's own example."""

    stages: tuple[int, ...] = (2, 1, 1)
    width: int = 8
    num_classes: int = 10

    @linen.compact
    def __call__(self, x, train=False):
        """Logits of images with channels last."""
        x = linen.Conv(self.width, (7, 7), strides=2, padding=3, use_bias=False, name="conv_init")(
            x
        )
        x = linen.BatchNorm(use_running_average=not train, **NORM, name="bn_init")(x)
        x = linen.max_pool(linen.relu(x), (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for index, blocks in enumerate(self.stages):
            for block in range(blocks):
                stride = 2 if index > 0 and block == 0 else 1
                x = LinenBlock(self.width * 2**index, stride)(x, train)
        return linen.Dense(self.num_classes)(x.mean((1, 2)))


class Block(nnx.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs, outputs, stride=1, *, rngs):
        self.conv1 = nnx.Conv(
            inputs, outputs, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs
        )
        self.bn1 = nnx.BatchNorm(outputs, **NORM, rngs=rngs)
        self.conv2 = nnx.Conv(outputs, outputs, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = nnx.BatchNorm(outputs, **NORM, rngs=rngs)
        if stride == 1 and inputs == outputs:
            self.downsample = None
        else:
            self.downsample = nnx.Sequential(
                nnx.Conv(inputs, outputs, (1, 1), strides=stride, use_bias=False, rngs=rngs),
                nnx.BatchNorm(outputs, **NORM, rngs=rngs),
            )

    def __call__(self, x):
        """A map of the same size, or of half of it."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = nnx.relu(self.bn1(self.conv1(x)))
        return nnx.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(nnx.Module):
    """Names are torch's."""

    def __init__(self, stages=(2, 1, 1), width=8, num_classes=10, *, rngs):
        self.conv1 = nnx.Conv(3, width, (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(width, **NORM, rngs=rngs)
        inputs = width
        for index, blocks in enumerate(stages):
            outputs = width * 2**index
            first = Block(inputs, outputs, 1 if index == 0 else 2, rngs=rngs)
            rest = [Block(outputs, outputs, rngs=rngs) for _ in range(blocks - 1)]
            setattr(self, f"layer{index + 1}", nnx.Sequential(first, *rest))
            inputs = outputs
        self.fc = nnx.Linear(inputs, num_classes, rngs=rngs)
        self.stages = len(stages)

    def __call__(self, x):
        """Logits of images with channels last."""
        x = nnx.relu(self.bn1(self.conv1(x)))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for index in range(self.stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return self.fc(x.mean((1, 2)))


RESNET = Family(
    "ResNet",
    TorchResNet,
    LinenResNet,
    ResNet,
    images(64),
    real={"stages": (2, 2, 2, 2), "width": 64, "num_classes": 1000},
    is_image=True,
)
