"""AlexNet from torch to Flax: its weights, its initialization, and one layer started anew.

``python -m examples.port_alexnet`` takes the network at its published size. torchvision's AlexNet
is the same network with the same names; any torch model goes the same way.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch

import fanwise as fw
from examples.models.alexnet import LinenAlexNet, TorchAlexNet

PUBLISHED = {"channels": (64, 192, 384, 256, 256), "hidden": 4096, "num_classes": 1000}


def changed(before: dict, after: dict) -> list[str]:
    """The names of the arrays of which a bit is not the same."""
    old = jax.tree_util.tree_leaves_with_path(before)
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for (path, was), now in zip(old, jax.tree.leaves(after), strict=True)
        if np.asarray(was).tobytes() != np.asarray(now).tobytes()
    ]


def main(sizes: dict = PUBLISHED) -> None:
    """Port weights, then the start, then start ``features.0`` anew."""

    def build() -> torch.nn.Module:
        return TorchAlexNet(**sizes)

    flax_model, image = LinenAlexNet(**sizes), jnp.zeros((1, 224, 224, 3))
    layers = fw.linen.layers(flax_model, image)

    # 1. What the torch constructor asks for; no memory is allocated for it.
    recipe = fw.torch.record(build)
    # In front of classifier.1 torch flattens a map of (channels, 6, 6), Flax (6, 6, channels).
    flatten = {"classifier.1": (sizes["channels"][-1], 6, 6)}
    correspondence = fw.port.match(recipe, layers, flatten=flatten)
    print(correspondence)

    # 2. Weights: the same logits.
    torch.manual_seed(0)
    model = build().eval()
    variables = fw.port.weights(model.state_dict(), correspondence)
    images = np.random.default_rng(0).normal(size=(2, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        theirs = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    ours = np.asarray(flax_model.apply(variables, images))
    off = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"logits differ by {off:.0e} of the largest")

    # 3. Initialization: the same distributions, drawn in JAX, and checked against torch.
    started = fw.port.init(recipe, correspondence, jax.random.key(0))
    report = fw.port.check(
        build,
        flax_model,
        image,
        init=lambda key: fw.port.init(recipe, correspondence, key),
        flatten=flatten,
    )
    print(report)

    # 4. features.0 alone, as
    #    nn.init.xavier_uniform_(model.features[0].weight, gain=nn.init.calculate_gain("relu"))
    first = correspondence["features.0"].flax.path
    xavier = fw.xavier_uniform(gain=fw.calculate_gain("relu"))
    rule = fw.by_path({first: {"weight": xavier}})
    anew = fw.linen.apply(rule, flax_model, started, jax.random.key(1), image)
    print("started anew:", ", ".join(changed(started, anew)))
    print("features.0.weight:", xavier.distribution(anew["params"][first]["kernel"].shape))


if __name__ == "__main__":
    main()
