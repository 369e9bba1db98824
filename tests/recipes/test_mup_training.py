"""Tables 3 and 8 are one function, trained alike: starts, multipliers and learning rates fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw
from tests.recipes.models import MLP

BASE, WIDTH, STEPS = 8, 64, 5
M = WIDTH / BASE

# The names of linen's arrays, by torch's.
ARRAYS = {"weight": "kernel", "bias": "bias"}


def rates(layers, base, optimizer, table):
    factors = fw.recipes.mup_learning_rates(base, optimizer=optimizer, table=table)
    return {
        layer.path: {ARRAYS[name]: factor for name, factor in factors(layer).items()}
        for layer in layers
        if layer.kind == "Linear"
    }


def trained(optimizer, table, x, y, key, wrong=1.0):
    """Outputs after each step; ``wrong`` is a factor on the readout's learning rate."""
    model = MLP(WIDTH)
    base, layers = fw.linen.layers(MLP(BASE), x), fw.linen.layers(model, x)
    params = fw.linen.init(model, key, x, rule=fw.recipes.mup(base, table=table))["params"]
    factors = rates(layers, base, optimizer, table)
    factors["readout"]["kernel"] *= wrong

    def output(params):
        readout = params["readout"]
        if table == 8:  # The input of the last layer, not its bias, is divided.
            readout = {**readout, "kernel": readout["kernel"] / M}
        return model.apply({"params": {**params, "readout": readout}}, x)

    @jax.jit
    def step(params):
        gradients = jax.grad(lambda p: jnp.mean((output(p) - y) ** 2))(params)
        direction = jnp.sign if optimizer == "adam" else (lambda g: g)
        moved = {name: dict(own) for name, own in params.items()}
        for name, own in factors.items():
            for array, factor in own.items():
                change = 0.01 * factor * direction(gradients[name][array])
                moved[name][array] = params[name][array] - change
        return moved

    outputs = [np.asarray(output(params))]
    for _ in range(STEPS):
        params = step(params)
        outputs.append(np.asarray(output(params)))
    return outputs


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_tables_train_alike(optimizer, key):
    """Adam without memory is the sign of the gradient, which no multiplier changes."""
    x = jax.random.normal(key, (6, 10))
    y = jnp.ones((6, 5))
    by_8, by_3 = (trained(optimizer, table, x, y, key) for table in (8, 3))
    moved = max(np.abs(by_8[-1] - by_8[0]).max(), 1e-3)
    for ours, theirs in zip(by_8, by_3, strict=True):
        assert np.abs(ours - theirs).max() < 1e-3 * moved
    wrong = trained(optimizer, 3, x, y, key, wrong=2.0)
    assert np.abs(wrong[-1] - by_8[-1]).max() > 0.05 * moved
