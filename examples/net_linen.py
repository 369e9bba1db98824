"""PyTorch's way to start a network, in Flax linen.

The network is that of PyTorch's image classification tutorial. It is started in three steps, as
one does in torch: by the constructor's defaults and initializers of some layers, by a function
that is applied to the whole network, and by one layer alone.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

import fanwise as fw


class Net(nn.Module):
    """Two convolutions and three linear layers."""

    @nn.compact
    def __call__(self, x):
        """The scores of ten classes for a batch of images."""
        x = nn.relu(nn.Conv(6, (5, 5), padding="VALID", name="conv1")(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(16, (5, 5), padding="VALID", name="conv2")(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(120, name="fc1")(x))
        x = nn.relu(nn.Dense(84, name="fc2")(x))
        return nn.Dense(10, name="fc3")(x)


KAIMING = fw.kaiming_normal(mode="fan_in", nonlinearity="relu")

# Like torch's constructor, with initializers of one's own for three weights.
CONSTRUCTOR = fw.chain(
    fw.torch_default,
    fw.by_path(
        {
            "fc1": {"weight": KAIMING},
            "fc2": {"weight": KAIMING},
            "fc3": {"weight": fw.xavier_normal()},
        }
    ),
)


def init_weights(layer: fw.Layer) -> dict | None:
    """Xavier uniform for linear layers; the rest stays as it is."""
    if layer.kind == "Linear":
        return {"weight": fw.xavier_uniform()}
    return None


def changed(before: dict, after: dict) -> list[str]:
    """The names of the arrays that are not the same."""
    old = jax.tree_util.tree_leaves_with_path(before["params"])
    new = jax.tree.leaves(after["params"])
    return [
        jax.tree_util.keystr(path, simple=True, separator=".")
        for (path, was), now in zip(old, new, strict=True)
        if not jnp.array_equal(was, now)
    ]


def main() -> None:
    """Start the network, and start parts of it anew."""
    net, image = Net(), jnp.zeros((1, 32, 32, 3))
    for layer in fw.linen.layers(net, image):
        print(layer)

    variables = fw.linen.init(net, jax.random.key(0), image, rule=CONSTRUCTOR)
    print(f"fc1.weight: std {variables['params']['fc1']['kernel'].std():.4f}, 0.0707 expected")

    # net.apply(init_weights)
    applied = fw.linen.apply(init_weights, net, variables, jax.random.key(1), image)
    print("init_weights changed", ", ".join(changed(variables, applied)))

    # torch.nn.init.xavier_normal_(net.fc3.weight)
    fc3 = fw.by_path({"fc3": {"weight": fw.xavier_normal()}})
    last = fw.linen.apply(fc3, net, applied, jax.random.key(2), image)
    print("fc3 alone changed", ", ".join(changed(applied, last)))


if __name__ == "__main__":
    main()
