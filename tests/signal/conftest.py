"""Settings of compilation for tests that compile much and run little."""

import pytest

from tests.signal import networks


@pytest.fixture
def quick_compilation():
    """XLA without most of its optimizations; not for tests that draw many numbers."""
    with networks.quick_compilation():
        yield
