"""Orthogonal and DeltaOrthogonal: exact structure, and Haar by its statistics."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import DeltaOrthogonal, Normal, Orthogonal, Uniform
from tests.agreement import assert_drawn_from, disagreements

TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-14}


def matrix(weight, layout="...IO"):
    """A kernel as torch's matrix, one output a row, in float64."""
    weight = np.asarray(weight).astype(np.float64)
    if layout == "...IO":
        weight = np.moveaxis(weight, (-1, -2), (0, 1))
    return weight.reshape(weight.shape[0], -1)


def assert_orthonormal(w, gain, atol):
    """Rows if there are at most as many as columns, else columns."""
    rows, columns = w.shape
    gram = w @ w.T if rows <= columns else w.T @ w
    np.testing.assert_allclose(gram, gain**2 * np.eye(min(w.shape)), rtol=0, atol=gain**2 * atol)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((8, 8), "...IO"),
        ((4, 9), "...IO"),
        ((9, 4), "...IO"),
        ((1, 7), "...IO"),
        ((7, 1), "...IO"),
        ((1, 1), "...IO"),
        ((3, 3, 4, 8), "...IO"),
        ((3, 3, 4, 50), "...IO"),
        ((8, 4, 3, 3), "OI..."),
        ((50, 4, 3, 3), "OI..."),
    ],
)
def test_rows_or_columns_are_orthonormal(shape, layout, key):
    weight = Orthogonal(-2.5, layout=layout).sample(key, shape)
    assert weight.shape == shape
    assert_orthonormal(matrix(weight, layout), 2.5, 2 * TOLERANCE["float32"])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(3, 4, 9), (9, 4)])
def test_orthonormal_in_every_dtype(shape, dtype, key):
    with jax.enable_x64(dtype == "float64"):
        weight = Orthogonal().sample(key, shape, dtype)
    assert weight.dtype == jnp.dtype(dtype)
    assert_orthonormal(matrix(weight), 1.0, 2 * TOLERANCE[dtype])


def test_a_gain_of_0(key):
    assert not np.asarray(Orthogonal(0).sample(key, (3, 4))).any()


def square_matrices(key, count, size):
    return np.asarray(Orthogonal(layout="BOI").sample(key, (count, size, size)), np.float64)


def signs_not_fixed(key, count, size):
    """What the QR decomposition gives by itself: orthogonal, and not Haar."""
    q, _ = np.linalg.qr(np.asarray(Normal(0, 1).sample(key, (count, size, size)), np.float64))
    return q


def haar_disagreements(q):
    """What speaks against q, of shape (count, 3, 3), being Haar-distributed on O(3).

    Every entry is uniform on [-1, 1], as a coordinate of a point on the sphere. The trace has
    mean 0 and variance 1, and half of the matrices have determinant 1.
    """
    count = len(q)
    found = [
        f"entry {i, j}: {sentence}"
        for i in range(3)
        for j in range(3)
        for sentence in disagreements(q[:, i, j], Uniform(-1.0, 1.0 + 1e-5))
    ]
    trace = np.trace(q, axis1=1, axis2=2)
    z_values = {
        "mean of the trace": trace.mean() * math.sqrt(count),
        "variance of the trace": ((trace**2).mean() - 1) / (trace**2).std() * math.sqrt(count),
        "determinant": np.linalg.det(q).mean() * math.sqrt(count),
    }
    found += [f"{name}: z = {z:.1f}" for name, z in z_values.items() if abs(z) > 6.2]
    # Invariance under a fixed rotation: any one direction is mapped to a uniform point.
    direction = np.array([1, 2, -2]) / 3
    for side in ("nij,j->ni", "nji,j->ni"):
        image = np.einsum(side, q, direction)
        for i in range(3):
            found += disagreements(image[:, i], Uniform(-1.0 - 1e-5, 1.0 + 1e-5))
    return found


def test_square_matrices_are_haar(key):
    assert haar_disagreements(np.clip(square_matrices(key, 40_000, 3), -1, 1)) == []


def test_without_the_signs_of_r_they_are_not(key):
    found = haar_disagreements(np.clip(signs_not_fixed(key, 40_000, 3), -1, 1))
    assert any(sentence.startswith("entry (0, 0)") for sentence in found)
    assert any(sentence.startswith("determinant") for sentence in found)


@pytest.mark.parametrize("layout", ["BOI", "BIO"])
@pytest.mark.parametrize("shape", [(20_000, 2, 5), (20_000, 5, 2)])
def test_entries_of_oblong_matrices(shape, layout, key):
    """A column of a Haar matrix of size 5: mean 0, variance 1/5, kurtosis 3 * 5 / 7."""
    q = np.asarray(Orthogonal(2.0, layout=layout).sample(key, shape), np.float64) / 2
    for entry in (q[:, 0, 0], q[:, -1, -1], q[:, 0, -1]):
        n = len(entry)
        assert abs(entry.mean()) * math.sqrt(5 * n) < 6.2
        square = 5 * entry**2
        assert abs(square.mean() - 1) / square.std() * math.sqrt(n) < 6.2
        fourth = square**2
        assert abs(fourth.mean() - 15 / 7) / fourth.std() * math.sqrt(n) < 6.2
    assert abs((q[:, 0, 0] * q[:, 1, 1]).mean()) * 5 * math.sqrt(len(q)) < 6.2


def test_batch_axes_are_independent_matrices(key):
    weight = np.asarray(Orthogonal(layout="B...IO").sample(key, (6, 3, 4, 5)), np.float64)
    for one in weight:
        assert_orthonormal(matrix(one), 1.0, 2e-6)
    for one in weight[1:]:
        assert np.abs(one - weight[0]).max() > 0.1


def test_recurrent_gates_side_by_side_are_one_wide_matrix(key):
    """Four gates of (H, H) in (H, 4H): std 0.5 of that of one gate by itself, as in torch."""
    packed = np.asarray(Orthogonal().sample(key, (64, 256)))
    apart = np.asarray(Orthogonal(layout="IBO").sample(key, (64, 4, 64)))
    assert packed.std() == pytest.approx(1 / 16, rel=0.02)
    assert apart.std() == pytest.approx(1 / 8, rel=0.02)


@pytest.mark.parametrize(
    ("layout", "shape", "order", "rows"),
    [
        ("IOO", (12, 3, 4), (1, 2, 0), 12),
        ("IIO", (3, 4, 12), (2, 0, 1), 12),
        ("OIO", (3, 12, 4), (0, 2, 1), 12),
        ("IHOO", (6, 2, 3, 4), (2, 3, 0, 1), 12),
    ],
)
def test_several_axes_of_a_role_are_flattened(layout, shape, order, rows, key):
    weight = np.asarray(Orthogonal(layout=layout).sample(key, shape), np.float64)
    assert_orthonormal(weight.transpose(order).reshape(rows, -1), 1.0, 2e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (3, 0, 4), (2, 3, 0)])
def test_empty(shape, key):
    assert Orthogonal().sample(key, shape, "bfloat16").shape == shape


@pytest.mark.parametrize("shape", [(), (3,), (0,)])
def test_too_few_axes(shape, key):
    with pytest.raises(ValueError, match="does not fit layout"):
        Orthogonal().sample(key, shape)


@pytest.mark.parametrize(("gain", "dtype"), [(1e6, "float16"), (1e300, "float32")])
def test_a_gain_that_a_dtype_does_not_hold(gain, dtype, key):
    with pytest.raises(ValueError, match=f"does not fit {dtype}"):
        Orthogonal(gain).sample(key, (3, 4), dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    ("shape", "layout", "centre"),
    [
        ((3, 4, 8), "...IO", (1,)),
        ((4, 4, 4, 8), "...IO", (1, 1)),
        ((3, 2, 5, 4, 8), "...IO", (1, 0, 2)),
        ((8, 4, 3, 6), "OI...", (slice(None), slice(None), 1, 2)),
    ],
)
def test_delta_orthogonal(shape, layout, centre, dtype, key):
    weight = DeltaOrthogonal(1.5, layout=layout).sample(key, shape, dtype)
    assert weight.shape == shape
    assert weight.dtype == jnp.dtype(dtype)
    weight = np.asarray(weight).astype(np.float64)
    middle = weight[centre] if layout == "OI..." else weight[centre].T
    assert_orthonormal(middle, 1.5, 2 * TOLERANCE[dtype])
    weight[centre] = 0
    assert not weight.any()


def test_delta_orthogonal_is_haar(key):
    kernel = np.asarray(DeltaOrthogonal(layout="BKIO").sample(key, (40_000, 2, 3, 3)), np.float64)
    assert not kernel[:, 1].any()
    assert_drawn_from(np.clip(kernel[:, 0, 0, 0], -1, 1), Uniform(-1.0, 1.0 + 1e-5))


def test_delta_orthogonal_preserves_the_norm_of_a_convolution(key):
    kernel = DeltaOrthogonal().sample(key, (4, 4, 5, 7))
    image = Normal(0, 1).sample(jax.random.fold_in(key, 1), (1, 9, 9, 5))
    result = jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    norms = [float(jnp.linalg.norm(x.ravel())) for x in (image, result)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 8), "1, 2 or 3 receptive-field axes"),
        ((2, 2, 2, 2, 4, 8), "1, 2 or 3 receptive-field axes"),
        ((0, 4, 8), "none empty"),
        ((3, 8, 4), "8 inputs and 4 outputs"),
    ],
)
def test_shapes_that_delta_orthogonal_refuses(shape, message, key):
    with pytest.raises(ValueError, match=message) as caught:
        DeltaOrthogonal().sample(key, shape)
    assert "use orthogonal()" in str(caught.value)
