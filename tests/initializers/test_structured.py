"""Structured initializers hold their distribution with the layout, and keep what they promise."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import DeltaOrthogonal, Dirac, Eye, Orthogonal, Sparse


@pytest.mark.parametrize(
    ("initializer", "shape", "expected"),
    [
        (fw.eye(), (3, 4), Eye()),
        (fw.eye(layout="OI..."), (3, 4), Eye(layout="OI...")),
        (fw.dirac(2), (3, 2, 4), Dirac(2)),
        (fw.dirac(2, layout="OI..."), (4, 2, 3), Dirac(2, layout="OI...")),
        (fw.orthogonal(0.5), (3, 4), Orthogonal(0.5)),
        (fw.orthogonal(layout="BIO"), (2, 3, 4), Orthogonal(layout="BIO")),
        (fw.delta_orthogonal(2), (3, 2, 4), DeltaOrthogonal(2)),
        (fw.sparse(0.1), (3, 4), Sparse(0.1, 0.01)),
        (fw.sparse(0.1, 2, layout="OI"), (3, 4), Sparse(0.1, 2, layout="OI")),
    ],
    ids=repr,
)
def test_distribution(initializer, shape, expected):
    assert initializer.distribution(shape) == expected


def test_the_layout_of_a_call_wins():
    assert fw.eye(layout="OI...").distribution((3, 4), "...IO") == Eye()
    assert fw.eye().distribution((3, 4), "OI...") == Eye(layout="OI...")


def test_a_linear_layer_with_eye_passes_its_input_on(key):
    x = jax.random.normal(key, (5, 3))
    y = x @ fw.eye()(key, (3, 4))
    assert (np.asarray(y[:, :3]) == np.asarray(x)).all()
    assert not np.asarray(y[:, 3]).any()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_convolution_with_dirac_passes_its_input_on(groups, dtype, key):
    image = jax.random.normal(key, (1, 5, 4)).astype(dtype)
    kernel = fw.dirac(groups)(key, (3, 4 // groups, 4), dtype)
    result = jax.lax.conv_general_dilated(
        image,
        kernel,
        (1,),
        "SAME",
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=groups,
    )
    assert (np.asarray(result) == np.asarray(image)).all()


@pytest.mark.parametrize(("inputs", "outputs"), [(12, 12), (8, 20), (20, 8)])
def test_a_layer_with_orthogonal_preserves_what_it_can(inputs, outputs, key):
    """Norms of inputs if none are lost, else those of outputs sent back."""
    kernel = fw.orthogonal(gain=3)(key, (inputs, outputs))
    if inputs <= outputs:
        x = jax.random.normal(key, (5, inputs))
        y = x @ kernel
    else:
        x = jax.random.normal(key, (5, outputs))
        y = x @ kernel.T
    norms = [np.linalg.norm(np.asarray(z), axis=1) for z in (x, y)]
    np.testing.assert_allclose(norms[1], 3 * norms[0], rtol=1e-5)


def test_rows_of_a_convolution_are_outputs(key):
    """The matrix is output by everything else, as in torch: (out, in * kh * kw)."""
    kernel = np.asarray(fw.orthogonal()(key, (3, 3, 4, 8)), np.float64)
    outputs = kernel.reshape(36, 8)
    np.testing.assert_allclose(outputs.T @ outputs, np.eye(8), atol=2e-6)


def test_attention_kernels(key):
    """Query (model, heads, width) and output (heads, width, model), as Flax stores them."""
    query = np.asarray(fw.orthogonal(layout="IOO")(key, (12, 3, 4)), np.float64)
    np.testing.assert_allclose(
        query.reshape(12, 12).T @ query.reshape(12, 12), np.eye(12), atol=2e-6
    )
    output = np.asarray(fw.orthogonal(layout="IIO")(key, (3, 4, 12)), np.float64)
    np.testing.assert_allclose(
        output.reshape(12, 12) @ output.reshape(12, 12).T, np.eye(12), atol=2e-6
    )


def test_stacked_layers_are_independent(key):
    stacked = np.asarray(fw.orthogonal(layout="BIO")(key, (4, 6, 6)), np.float64)
    for member in stacked:
        np.testing.assert_allclose(member @ member.T, np.eye(6), atol=2e-6)
    for one, other in itertools.combinations(stacked, 2):
        assert abs(np.trace(one @ other.T)) < 5.9


@pytest.mark.parametrize("sparsity", [0.25])
def test_sparse_counts_outputs(sparsity, key):
    kernel = np.asarray(fw.sparse(sparsity, std=1.0)(key, (7, 10)))
    assert ((kernel == 0).sum(axis=1) == math.ceil(sparsity * 10)).all()
    weight = np.asarray(fw.sparse(sparsity, std=1.0, layout="OI...")(key, (10, 7)))
    assert (weight == kernel.T).all()


def test_delta_orthogonal_as_in_jax(key):
    """The centre and the zeros are those of jax.nn.initializers.delta_orthogonal."""
    for shape in [(3, 4, 8), (4, 2, 4, 8)]:
        ours = np.asarray(fw.delta_orthogonal()(key, shape))
        theirs = np.asarray(jax.nn.initializers.delta_orthogonal()(key, shape))
        assert ((ours != 0) == (theirs != 0)).all()


@pytest.mark.parametrize("initializer", [fw.eye(), fw.dirac(), fw.ones(), fw.zeros()], ids=repr)
def test_fixed_values_do_not_touch_the_key(initializer, key):
    shape = (3, 2, 4) if initializer == fw.dirac() else (3, 4)
    values = [np.asarray(initializer(k, shape)) for k in jax.random.split(key)]
    assert (values[0] == values[1]).all()
    assert np.isin(values[0], [0, 1]).all()


def test_orthogonal_in_bfloat16_where_jax_refuses(key):
    """The control: jax.nn.initializers cannot; if it ever can, the README may say so."""
    with pytest.raises(NotImplementedError):
        jax.nn.initializers.orthogonal()(key, (3, 4), jnp.bfloat16)
    assert fw.orthogonal()(key, (3, 4), jnp.bfloat16).dtype == jnp.bfloat16
