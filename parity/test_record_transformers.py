"""Hugging Face's architectures record completely, each tensor as its constructor makes it."""

import pytest

from parity.record_exact import mismatches
from parity.record_transformers import ARCHITECTURES, configurations, quiet


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_configuration_records_completely(name: str) -> None:
    with quiet():
        for number, factory in enumerate(configurations(name, seed=0)):
            assert mismatches(factory, seed=number) == []
