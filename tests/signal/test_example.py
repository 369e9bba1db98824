"""The pieces of examples/choose_mode.py, at the smallest size."""

import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import fanwise as fw
from examples import choose_mode
from examples.choosing.dncnn import DnCNN, published_dncnn
from examples.choosing.document import filled
from examples.choosing.edsr import pixel_shuffle
from examples.choosing.families import FAMILIES, family
from examples.choosing.images import dead_leaves, downscaled, lit, striped
from examples.choosing.report import fans_compared
from examples.choosing.study import Run, Runs, trained
from examples.choosing.text import source
from examples.choosing.training import Trainer


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _kurtosis_of_steps(images: np.ndarray) -> float:
    steps = np.diff(images.astype(float), axis=1)
    return float((steps**4).mean() / (steps**2).mean() ** 2)


def test_leaves_have_flat_parts_and_edges(rng):
    images = dead_leaves(rng, 16, 24)
    assert images.shape == (16, 24, 24, 3)
    assert images.dtype == np.float32
    assert abs(images).max() <= 0.5
    # 3 for a normal distribution: nothing else than edges between flat parts is far above.
    assert _kurtosis_of_steps(images) > 4
    assert _kurtosis_of_steps(rng.normal(size=images.shape)) < 3.3


def test_leaves_come_from_the_generator_alone(seed):
    one, same, other = (dead_leaves(np.random.default_rng(n), 2, 8) for n in (seed, seed, seed + 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_downscaled_takes_the_mean_of_squares():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert downscaled(image, 2)[0, :, :, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_light_comes_from_the_labelled_side(rng):
    images, labels = lit(rng, 200, 8, 4)
    right = images[:, :, 4:].mean((1, 2, 3)) - images[:, :, :4].mean((1, 2, 3))
    below = images[:, 4:].mean((1, 2, 3)) - images[:, :4].mean((1, 2, 3))
    guessed = np.stack([right, below, -right, -below]).argmax(0)
    # Guessing would be right in a quarter of the cases.
    assert (guessed == labels).mean() > 0.8


def test_leaves_are_stretched_in_the_labelled_direction(rng):
    images, labels = striped(rng, 64, 16, 1, 2)
    along_x = (np.diff(images, axis=2) ** 2).mean((1, 2, 3))
    along_y = (np.diff(images, axis=1) ** 2).mean((1, 2, 3))
    assert ((along_x > along_y) == labels).mean() > 0.9


def test_text_is_as_surprising_as_its_source_says(rng):
    made = source(rng, words=8, sparsity=0.3)
    texts = made.sample(rng, 400, 22)
    before, last, following = texts[:, :-2], texts[:, 1:-1], texts[:, 2:]
    losses = -np.log(made.table[before, last, following])
    # A text's mean is one number of 400; six standard errors are left by chance once in 10^8, and
    # 12 of them, about a tenth of the entropy, are always seen.
    error = losses.mean(1).std() / 20
    assert abs(losses.mean() - made.entropy_rate) < 6 * error
    assert abs(losses.mean() - made.entropy_after_one) > 6 * error
    assert made.entropy_rate < made.entropy_after_one < np.log(8)


def test_pixel_shuffle_is_that_of_torch():
    x = np.arange(2 * 2 * 3 * 8).reshape(2, 2, 3, 8)
    shuffled = pixel_shuffle(jnp.asarray(x), 2)
    assert shuffled.shape == (2, 4, 6, 2)
    for (n, h, w, c), value in np.ndenumerate(np.asarray(shuffled)):
        assert value == x[n, h // 2, w // 2, c * 4 + h % 2 * 2 + w % 2]


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_have_the_shape_of_the_targets(name, quick, seed):
    chosen = family(name, quick)
    data = chosen.data((seed,), 2)
    output, _ = jax.eval_shape(
        lambda key, x: chosen.model.init_with_output(key, x, **chosen.options),
        jax.random.key(0),
        data.inputs,
    )
    classes = np.issubdtype(data.targets.dtype, np.integer)
    assert output.shape[: -1 if classes else None] == data.targets.shape
    assert jax.eval_shape(chosen.loss, output, data.targets).shape == ()


def test_rules_name_layers_that_are_there(seed):
    for name in FAMILIES:
        chosen = family(name)
        layers = fw.linen.layers(chosen.model, chosen.data((seed,), 1).inputs, **chosen.options)
        for own, rule in chosen.rules.items():
            usual = fw.signal.CANDIDATES.get(own.split(",")[0], fw.torch_default)
            differing = [layer.path for layer in layers if str(rule(layer)) != str(usual(layer))]
            assert differing, f"{name}: {own} is no rule of its own"


def test_published_dncnn_is_fan_out_first_and_fan_in_last(key):
    model, x = DnCNN(4, width=64), jnp.zeros((1, 8, 8, 1))
    rule = published_dncnn(64)
    by = {layer.path: layer for layer in fw.linen.layers(model, x, train=True)}
    std = rule(by["conv_0"])["weight"].std
    for mode, path in (("fan_out", "conv_0"), ("fan_in", "conv_3"), ("fan_in", "conv_1")):
        init = fw.kaiming_normal(mode=mode, nonlinearity="relu")
        own = init.distribution(by[path].shapes["weight"], "OI...").std
        assert math.isclose(own, std, rel_tol=1e-12)
    started = fw.linen.init(model, key, x, rule=rule, train=True)
    scale = started["params"]["norm_1"]["scale"]
    assert abs(scale).min() >= np.float32(0.025)
    assert scale.min() < 0 < scale.max()


class _Linear(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1, use_bias=False)(x)


def test_trainer_takes_the_steps_of_gradient_descent(rng):
    x, target = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 1))
    weights = rng.normal(size=(3, 1))
    variables = {"params": {"Dense_0": {"kernel": jnp.asarray(weights, jnp.float32)}}}
    batches = [(a.astype(np.float32), b.astype(np.float32)) for a, b in zip(x, target, strict=True)]
    squared = lambda output, target: ((output - target) ** 2).mean()
    losses, held_out = Trainer(_Linear(), squared, optax.identity(), {}).run(
        variables, batches, batches[0], rate=0.1
    )
    for a, b, loss in zip(x, target, losses, strict=True):
        assert np.isclose(loss, ((a @ weights - b) ** 2).mean(), rtol=1e-5)
        weights = weights - 0.1 * 2 / len(a) * a.T @ (a @ weights - b)
    assert np.isclose(held_out, ((x[0] @ weights - target[0]) ** 2).mean(), rtol=1e-5)
    # What is given is left alone, so that the next rate starts from it too.
    assert not variables["params"]["Dense_0"]["kernel"].is_deleted()


def test_the_best_rate_is_the_one_with_the_lowest_loss(seed):
    chosen = family("relu", quick=True)
    (sgd, _) = chosen.optimizers
    rates = (1e-9, 1e-1, np.inf)
    chosen = replace(chosen, steps=20, optimizers=(replace(sgd, rates=rates),))
    runs, bounds = trained(chosen, seed, seeds=1)
    assert {own.rule for own in runs} == set(fw.signal.CANDIDATES)
    assert {own.rate for own in runs} == {1e-1}
    assert bounds == {"guessing": np.log(4)}


def _runs(**losses: list[float]) -> list[Runs]:
    return [
        Runs(rule, "SGD", 0.1, tuple(Run(np.ones(2), loss) for loss in own))
        for rule, own in losses.items()
    ]


def test_a_difference_is_told_only_where_all_seeds_agree():
    apart = fans_compared(_runs(fan_in=[0.2, 0.1], fan_out=[0.4, 0.3], xavier=[0.15, 0.5]))
    assert "`fan_in` lower with every seed" in apart
    assert "ranges that overlap with its: `xavier`." in apart
    assert "which overlap" in fans_compared(_runs(fan_in=[0.35, 0.1], fan_out=[0.4, 0.3]))
    diverged = fans_compared(_runs(fan_in=[0.2, 0.1], fan_out=[np.nan, 0.3]))
    assert "0.3 to diverged" in diverged
    assert diverged.endswith("none overlaps.")


def test_a_document_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="<!-- gpt -->"):
        filled("<!-- relu --><!-- end relu -->", {"gpt": "figures"})


def test_a_quick_run_prints_writes_and_draws(tmp_path: Path, capsys, seed):
    document = tmp_path / "choosing.md"
    document.write_text("Before\n<!-- dncnn_bn -->\nold\n<!-- end dncnn_bn -->\nAfter\n")
    arguments = ["dncnn_bn", "--quick", "--seeds", "2", "--seed", str(seed)]
    # optax's Adam raises a float to an integer power.
    with jax.numpy_dtype_promotion("standard"):
        choose_mode.main([*arguments, "--write", str(document)])
    printed, written = capsys.readouterr().out, document.read_text()
    assert "backward: second moment" in printed
    assert written.startswith("Before\n<!-- dncnn_bn -->\n\n| rule ")
    assert written.endswith("<!-- end dncnn_bn -->\nAfter\n")
    (figures,) = (part for part in written.split("<!-- ") if part.startswith("dncnn_bn -->"))
    for line in figures.splitlines()[2:]:
        assert line in printed
    for rule in ("fan_in", "fan_out", "xavier", "torch_default", "flax_default", "published"):
        assert f"| {rule} " in figures
    names = sorted(path.name for path in (tmp_path / "choosing").iterdir())
    assert names == ["dncnn_bn.png", "dncnn_bn_training.png"]


def test_an_unknown_model_is_refused(capsys):
    with pytest.raises(SystemExit):
        choose_mode.main(["vgg"])
    assert "got vgg" in capsys.readouterr().err
