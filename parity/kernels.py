"""The distinct weight shapes of five networks, in torch's order.

Each is written down with the number of times it occurs, so that a test can hold the totals
against the published numbers of parameters.
"""

from dataclasses import dataclass

__all__ = ["NETWORKS", "Network"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """What a network's weights look like and how its authors initialize them.

    Args:
        initializer: name of the function that fills most of its weights.
        arguments: its keyword arguments.
        weights: shape to number of occurrences.
    """

    initializer: str
    arguments: dict[str, object]
    weights: dict[Shape, int]


# Krizhevsky's "one weird trick" variant, torchvision/models/alexnet.py. Its initialization is
# that of Krizhevsky et al. (2012), section 5: a normal with a standard deviation of 0.01.
ALEXNET = Network(
    "normal",
    {"mean": 0.0, "std": 0.01},
    {
        (64, 3, 11, 11): 1,
        (192, 64, 5, 5): 1,
        (384, 192, 3, 3): 1,
        (256, 384, 3, 3): 1,
        (256, 256, 3, 3): 1,
        (4096, 9216): 1,
        (4096, 4096): 1,
        (1000, 4096): 1,
    },
)

# torchvision/models/resnet.py, Bottleneck blocks (3, 4, 6, 3): the stem, then for each stage its
# first block, the shortcut and the later blocks; the classifier last.
RESNET50 = Network(
    "kaiming_normal",
    {"mode": "fan_out", "nonlinearity": "relu"},
    {
        (64, 3, 7, 7): 1,
        (64, 64, 1, 1): 1,
        (64, 64, 3, 3): 3,
        (256, 64, 1, 1): 4,
        (64, 256, 1, 1): 2,
        (128, 256, 1, 1): 1,
        (128, 128, 3, 3): 4,
        (512, 128, 1, 1): 4,
        (512, 256, 1, 1): 1,
        (128, 512, 1, 1): 3,
        (256, 512, 1, 1): 1,
        (256, 256, 3, 3): 6,
        (1024, 256, 1, 1): 6,
        (1024, 512, 1, 1): 1,
        (256, 1024, 1, 1): 5,
        (512, 1024, 1, 1): 1,
        (512, 512, 3, 3): 3,
        (2048, 512, 1, 1): 3,
        (2048, 1024, 1, 1): 1,
        (512, 2048, 1, 1): 2,
        (1000, 2048): 1,
    },
)

# The smallest GPT-2: 12 layers of width 768. Token and position embeddings; query, key and value
# in one matrix; the attention's output; the two matrices of the multilayer perceptron. GPT-2's
# own code keeps its matrices as (in, out); here they are turned to torch's (out, in).
GPT2 = Network(
    "normal",
    {"mean": 0.0, "std": 0.02},
    {
        (50257, 768): 1,
        (1024, 768): 1,
        (2304, 768): 12,
        (768, 768): 12,
        (3072, 768): 12,
        (768, 3072): 12,
    },
)

# The baseline EDSR for a factor of 2 (16 blocks, 64 channels), with torch's default for Conv2d:
# first convolution, two in each block and one after them, the upsampler, the last convolution.
EDSR_BASELINE = Network(
    "kaiming_uniform",
    {"a": 5**0.5},
    {(64, 3, 3, 3): 1, (64, 64, 3, 3): 33, (256, 64, 3, 3): 1, (3, 64, 3, 3): 1},
)

# The full EDSR for a factor of 2 (32 blocks, 256 channels), in the same order.
EDSR = Network(
    "kaiming_uniform",
    {"a": 5**0.5},
    {(256, 3, 3, 3): 1, (256, 256, 3, 3): 65, (1024, 256, 3, 3): 1, (3, 256, 3, 3): 1},
)

# DnCNN-S for grey images, 17 convolutions; Zhang et al. (2017) initialize as He et al. (2015) do.
DNCNN = Network(
    "kaiming_normal",
    {"a": 0, "mode": "fan_in"},
    {(64, 1, 3, 3): 1, (64, 64, 3, 3): 15, (1, 64, 3, 3): 1},
)

NETWORKS = {
    "AlexNet": ALEXNET,
    "ResNet-50": RESNET50,
    "GPT-2": GPT2,
    "EDSR baseline": EDSR_BASELINE,
    "EDSR": EDSR,
    "DnCNN": DNCNN,
}
