"""Each aspect of an array is seen, and none in independent values."""

import numpy as np
import pytest

from fanwise.porting.checking.structure import departures, fixed_places, structure_of


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def orthogonal(keys, rows, columns, seed=0):
    tall = normals(keys, max(rows, columns), min(rows, columns), seed=seed)
    q = np.linalg.qr(tall)[0]
    return q if rows >= columns else np.swapaxes(q, 1, 2)


@pytest.mark.parametrize("shape", [(64,), (4, 4), (8, 200), (96, 32), (3, 7, 3, 3), (1, 50, 8)])
@pytest.mark.parametrize("keys", [2, 8])
def test_independent_values_have_none(shape, keys, seed):
    for number in range(20):
        assert structure_of(normals(keys, *shape, seed=100 * seed + number)) == {}


@pytest.mark.parametrize("shape", [(32, 32), (12, 40), (40, 12)])
def test_orthogonal(shape):
    found = structure_of(2.5 * orthogonal(2, *shape))
    assert found == {"orthogonality": "orthogonal, gain 2.5"}


@pytest.mark.parametrize("blocks", [2, 3, 4])
@pytest.mark.parametrize("columns", [24, 60])
def test_orthogonal_blocks(blocks, columns):
    parts = [orthogonal(2, 24, columns, seed=n) for n in range(blocks)]
    found = structure_of(np.concatenate(parts, axis=1))
    assert found == {"orthogonality": f"{blocks} orthogonal blocks of outputs, gain 1"}


def test_fixed_rows_and_all():
    values = normals(4, 30, 16)
    values[:, 5] = 0
    assert structure_of(values) == {"fixed values": "row 5 is 0"}
    values[:, 7:10] = 0
    assert structure_of(values) == {"fixed values": "rows 5, 7:10 are 0"}
    assert structure_of(np.ones((2, 5, 3), np.float32)) == {"fixed values": "all 1"}


def test_equal_values_by_chance_are_not_fixed():
    values = normals(2, 2000)
    values[1, 17] = values[0, 17]
    assert not fixed_places(values).any()
    assert fixed_places(np.repeat(values[:1], 4, axis=0)).all()


def test_copies_signs_zeros_and_norms():
    blocks = np.tile(normals(2, 16, 12), (1, 3, 1))
    assert structure_of(blocks) == {"copies": "3 equal blocks"}
    rows = np.repeat(normals(2, 1, 12), 10, axis=1)
    assert structure_of(rows)["copies"]
    assert structure_of(np.abs(normals(2, 40, 12))) == {"sign": "never negative"}
    sparse = normals(2, 40, 50) * (np.random.default_rng(1).random((2, 40, 50)) < 0.7)
    assert "zeros" in structure_of(sparse)
    unit = normals(2, 40, 50)
    unit /= np.linalg.norm(unit, axis=2, keepdims=True)
    assert structure_of(unit) == {"norms of outputs": "all equal"}


def test_departures():
    lines = departures({"sign": "never negative"}, {"copies": "2 equal blocks"})
    assert lines == [
        "sign: never negative in torch, none in Flax",
        "copies: none in torch, 2 equal blocks in Flax",
    ]
    assert departures({"sign": "x"}, {"sign": "x"}) == []
