"""Memory that JAX adopts without a copy."""

import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.adoption import adopted, aligned


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.bool_])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (1100, 1000)])
def test_the_array_is_over_the_memory(shape, dtype):
    buffer = aligned(shape, np.dtype(dtype))
    assert (buffer.shape, buffer.dtype) == (shape, dtype)
    buffer[...] = 1
    array = adopted(buffer)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert bool((np.asarray(array) == 1).all())
    if array.size:
        assert array.unsafe_buffer_pointer() == buffer.ctypes.data


def test_other_memory_is_copied():
    buffer = aligned((64,), np.dtype(np.float32))[1:]
    buffer[...] = 1
    assert adopted(buffer).unsafe_buffer_pointer() != buffer.ctypes.data
