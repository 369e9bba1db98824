"""DnCNN: denoising by a plain chain of convolutions that predicts the noise."""

import jax
import jax.numpy as jnp
from flax import linen as nn

import fanwise as fw
from fanwise.rules import Rule

__all__ = ["DnCNN", "published_dncnn"]


class DnCNN(nn.Module):
    """The noise in an image.

    The published model has 17 layers of 64 channels.

    References:
        Zhang et al. (2017), Beyond a Gaussian denoiser: residual learning of deep CNN for image
        denoising.
    """

    depth: int = 17
    width: int = 64
    normalized: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """The same shape; ``train`` normalizes by the batch's own statistics."""
        y = nn.relu(nn.Conv(self.width, (3, 3), name="conv_0")(x))
        for index in range(1, self.depth - 1):
            conv = nn.Conv(self.width, (3, 3), use_bias=not self.normalized, name=f"conv_{index}")
            y = conv(y)
            if self.normalized:
                norm = nn.BatchNorm(
                    use_running_average=not train, epsilon=1e-4, name=f"norm_{index}"
                )
                y = norm(y)
            y = nn.relu(y)
        return nn.Conv(x.shape[-1], (3, 3), use_bias=False, name=f"conv_{self.depth - 1}")(y)


def published_dncnn(width: int) -> Rule:
    """How the authors' MATLAB code starts it.

    Every weight is normal with std sqrt(2 / (9 width)): that is fan_out in the first layer, from 1
    channel to many, fan_in in the last, from many to 1, and both in between. The scales of the
    normalizations are normal with the same std, kept 0.025 away from zero. (The authors' port to
    PyTorch starts from orthogonal weights and scales of 1 instead.)

    References:
        https://github.com/cszn/DnCNN, ``DnCNN_init_model_64_25_Res_Bnorm_Adam.m`` and
        ``dncnn_pytorch/main_train.py``.
    """
    normal = fw.normal(std=(2 / (9 * width)) ** 0.5)

    def scale(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> jax.Array:
        drawn = normal(key, shape, dtype)
        return jnp.where(drawn < 0, -1, 1).astype(dtype) * jnp.maximum(jnp.abs(drawn), 0.025)

    def rule(layer: fw.Layer) -> dict | None:
        if layer.kind == "Conv2d":
            return {"weight": normal} | ({"bias": fw.zeros()} if "bias" in layer.shapes else {})
        if layer.kind == "BatchNorm":
            return {"weight": scale, "bias": fw.zeros()}
        return None

    return rule
