import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, Uniform
from fanwise.testing import check_independence, check_keys

NORMAL = Normal(0.0, 1.0)


def failed(checks):
    return [check.name for check in checks if not check.passed]


def normal(shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("shape", [(2,), (50,), (4096,), (64, 64), (3, 3, 8, 16), (1, 1, 20, 1)])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_independent_values_pass(shape, dtype):
    checks = check_independence(normal(shape, dtype), NORMAL, false_alarm=1e-9)
    assert failed(checks) == []
    assert sum(check.false_alarm for check in checks) <= 1e-9 * (1 + 1e-12)
    names = [check.name for check in checks]
    for axis, size in enumerate(shape):
        assert (f"neighbours along axis {axis}" in names) == (size > 1)
    assert len(set(names)) == len(names)


def test_each_fault_is_named():
    x = normal((64, 64))
    rows = x.copy()
    rows[40] = rows[3]
    assert failed(check_independence(rows, NORMAL, false_alarm=1e-9)) == [
        "duplicates along axis 0",
        "duplicates blocks of 4",
    ]
    columns = x.copy()
    columns[:, 40] = columns[:, 3]
    assert failed(check_independence(columns, NORMAL, false_alarm=1e-9)) == [
        "duplicates along axis 1"
    ]
    halves = np.concatenate([x[:32], -x[:32]])
    assert failed(check_independence(halves, NORMAL, false_alarm=1e-9)) == ["halves"]
    smooth = (x + np.roll(x, 1, axis=1)) / np.sqrt(2)
    assert failed(check_independence(smooth.astype(np.float32), NORMAL, false_alarm=1e-9)) == [
        "neighbours along axis 1"
    ]


def test_keys():
    x = np.random.default_rng(0).uniform(0.0, 1.0, (8, 32, 32)).astype(np.float32)
    law = Uniform(0.0, 1.0)
    assert failed(check_keys(x, law, false_alarm=1e-9)) == []
    same = x.copy()
    same[7] = same[1]
    assert failed(check_keys(same, law, false_alarm=1e-9)) == [
        "keys",
        "duplicates along axis 0",
        "duplicates blocks of 4",
    ]
    stretch = x.copy()
    stretch[7, 8:16] = stretch[1, :8]
    assert failed(check_keys(stretch, law, false_alarm=1e-9)) == ["duplicates blocks of 4"]
    assert [c.name for c in check_keys(x[:3, :1, 0], law, false_alarm=1e-9)] == ["keys"]
