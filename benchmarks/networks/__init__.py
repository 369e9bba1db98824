"""The models whose initialization is timed, one file per framework.

Every framework's version has the same parameters, drawn from the same distributions, by the
framework's own initializers; for ResNet-50 running means and variances too.
"""

from dataclasses import dataclass

__all__ = ["NETWORKS", "Network", "ResNet", "Transformer", "narrow"]


@dataclass(frozen=True)
class Transformer:
    """A GPT-2, its head not tied to the embedding.

    Weights are normal with std 0.02, the projections that end in the residual stream with
    0.02 / sqrt(2 layers): Radford et al. (2019), Language models are unsupervised multitask
    learners.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    positions: int

    @property
    def std(self) -> float:
        """The std of every weight that does not end in the residual stream."""
        return 0.02

    @property
    def residual_std(self) -> float:
        """The std of the projections that end in the residual stream."""
        return self.std / (2 * self.layers) ** 0.5


@dataclass(frozen=True)
class ResNet:
    """A ResNet of bottleneck blocks: He et al. (2015), Deep residual learning.

    Convolutions are Kaiming normal over the fan out, and the classifier is normal with std 0.01,
    as in Goyal et al. (2017), Accurate, large minibatch SGD.
    """

    stages: tuple[int, ...]
    width: int
    classes: int

    @property
    def head_std(self) -> float:
        """The std of the classifier's weight."""
        return 0.01


Network = Transformer | ResNet


def narrow(layers: int) -> Transformer:
    """A transformer of so little to draw that making it is all compiling."""
    return Transformer(layers, width=32, heads=2, vocabulary=64, positions=16)


NETWORKS: dict[str, Network] = {
    "ResNet-50": ResNet(stages=(3, 4, 6, 3), width=64, classes=1000),
    "GPT-2": Transformer(12, width=768, heads=12, vocabulary=50257, positions=1024),
    "48 layers": Transformer(48, width=640, heads=10, vocabulary=50257, positions=1024),
    # For trying the benchmarks out.
    "tiny ResNet": ResNet(stages=(1, 1), width=8, classes=10),
    "tiny transformer": narrow(2),
}
