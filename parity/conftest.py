"""Settings of the suite under pytest. It needs torch and fails without it."""

import jax
import pytest

try:
    import torch
except ImportError as error:
    raise pytest.UsageError(
        "the parity suite compares with torch, which is not installed; "
        "python -m pip install 'fanwise[torch,report]', or leave parity/ out"
    ) from error

from parity.seeding import suite_seed

# Mixed dtypes must be intended; the same setting holds in tests/.
jax.config.update("jax_numpy_dtype_promotion", "strict")
# Most tensors here are tiny: threads would cost more than they save.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def seed() -> int:
    """The suite's seed, from ``FANWISE_SEED``."""
    return suite_seed()
