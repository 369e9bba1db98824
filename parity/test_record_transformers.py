"""Hugging Face's architectures record completely, each tensor as its constructor makes it."""

import subprocess
import sys

import pytest

from parity.record_exact import mismatches
from parity.record_transformers import ARCHITECTURES, configurations, quiet

_LLAMA = """
import time
import torch
from benchmarks import machine
from fanwise.frameworks.torch_record import record
from transformers.models.llama import LlamaConfig, LlamaForCausalLM

start = time.perf_counter()
recipe = record(lambda: LlamaForCausalLM(LlamaConfig()))
taken = time.perf_counter() - start
count = sum(torch.Size(each.shape).numel() for each in recipe.tensors.values())
print(count, machine.resident()[1], taken, len(recipe.notes))
"""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_configuration_records_completely(name: str) -> None:
    with quiet():
        for number, factory in enumerate(configurations(name, seed=0)):
            assert mismatches(factory, seed=number) == []


def test_seven_billion_parameters_in_less_than_two_gigabytes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LLAMA], capture_output=True, text=True, check=True
    )
    count, peak, seconds, notes = done.stdout.split()
    print(f"{int(count):,} parameters recorded in {float(seconds):.1f} s, peak {int(peak):,} bytes")
    assert int(count) > 6.7e9
    assert int(peak) < 2e9
    assert notes == "0"
