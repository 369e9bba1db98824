"""PyTorch's way to start a network, in Flax nnx.

The network is that of PyTorch's image classification tutorial. It is started in three steps, as
one does in torch: by the constructor's defaults and initializers of some layers, by a function
that is applied to the whole network, and by one layer alone.
"""

import jax
import jax.numpy as jnp
from flax import nnx

import fanwise as fw


class Net(nnx.Module):
    """Two convolutions and three linear layers."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(3, 6, (5, 5), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
        self.fc1 = nnx.Linear(16 * 5 * 5, 120, rngs=rngs)
        self.fc2 = nnx.Linear(120, 84, rngs=rngs)
        self.fc3 = nnx.Linear(84, 10, rngs=rngs)

    def __call__(self, x):
        """The scores of ten classes for a batch of images."""
        x = nnx.max_pool(nnx.relu(self.conv1(x)), (2, 2), strides=(2, 2))
        x = nnx.max_pool(nnx.relu(self.conv2(x)), (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nnx.relu(self.fc1(x))
        x = nnx.relu(self.fc2(x))
        return self.fc3(x)


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


def arrays(net: nnx.Module) -> dict[str, jax.Array]:
    """The network's arrays by name."""
    return {".".join(path): leaf[...] for path, leaf in nnx.to_flat_state(nnx.state(net))}


def changed(before: dict, after: dict) -> list[str]:
    """The names of the arrays that are not the same."""
    return [name for name in before if not jnp.array_equal(before[name], after[name])]


def main() -> None:
    """Start the network, and start parts of it anew."""
    for layer in fw.nnx.layers(Net):
        print(layer)

    net = fw.nnx.init(Net, jax.random.key(0), rule=CONSTRUCTOR)
    print(f"fc1.weight: std {net.fc1.kernel.std():.4f}, 0.0707 expected")
    print(f"scores of two images: {net(jnp.zeros((2, 32, 32, 3))).shape}")
    start = arrays(net)

    # net.apply(init_weights)
    fw.nnx.apply(init_weights, net, jax.random.key(1))
    applied = arrays(net)
    print("init_weights changed", ", ".join(changed(start, applied)))

    # torch.nn.init.xavier_normal_(net.fc3.weight)
    fc3 = fw.by_path({"fc3": {"weight": fw.xavier_normal()}})
    fw.nnx.apply(fc3, net, jax.random.key(2))
    print("fc3 alone changed", ", ".join(changed(applied, arrays(net))))


if __name__ == "__main__":
    main()
