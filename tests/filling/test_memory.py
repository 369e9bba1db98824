"""Filling takes hardly more memory than what it fills."""

import subprocess
import sys
import textwrap

import jax
import pytest

from fanwise import filling
from fanwise.distributions import Normal
from fanwise.filling import Parameter, fill

# In a process of its own, whose high-water mark nothing else has raised.
PROGRAM = """
    import sys

    import jax
    import numpy as np

    from fanwise.distributions import Constant, Normal, TruncatedNormal, Uniform
    from fanwise.filling import Parameter, fill

    def mebibytes(name):
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith(name))
        return int(line.split()[1]) / 1024

    kinds = [Normal(0.0, 0.02), Uniform(-1.0, 1.0), TruncatedNormal(0, 1, -2, 2), Constant(1.0)]
    keys = [np.array([0, i], np.uint32) for i in range(50)]
    parameters = [
        Parameter(str(i), (1024, 1023 + i % 3), kinds[i % 4], key) for i, key in enumerate(keys)
    ]
    # JAX itself, its compiler and the small programs around every call.
    fill(Parameter(str(i), (8, 8), kind, keys[i]) for i, kind in enumerate(kinds))
    before = mebibytes("VmRSS")
    arrays = {fill}(parameters)
    assert mebibytes("VmHWM") >= before
    print(mebibytes("VmHWM") - before, sum(x.nbytes for x in arrays.values()) / 2**20)
"""
# A few tiles in flight, and what they were allocated from.
TILES = 16


def peak(how):
    """The rise to the peak, and the size of the arrays, in MiB."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM).replace("{fill}", how)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return map(float, done.stdout.split())


needs_proc = pytest.mark.skipif(
    sys.platform != "linux",
    reason="how much memory was ever held is read from /proc, which only Linux has",
)


@needs_proc
def test_the_peak_is_hardly_above_the_result():
    rise, size = peak("fill")
    assert 150 < size < 250
    assert size / 2 < rise < 1.1 * size + TILES


@needs_proc
def test_a_copy_would_be_noticed():
    """The control: with a copy made before the first is let go, the result is there twice."""
    rise, size = peak("(lambda ps: (a := fill(ps), jax.tree.map(np.copy, a))[0])")
    assert rise > 1.8 * size


def test_memory_under_jit(key):
    """Layers drawn in one loop are stacked, and cut into arrays: the result twice, at most."""

    @jax.jit
    def init(keys):
        return fill(Parameter(str(i), (64, 96), Normal(0, 1), k) for i, k in enumerate(keys))

    keys = list(jax.random.split(key, 10))
    memory = init.lower(keys).compile().memory_analysis()
    assert memory.temp_size_in_bytes <= 1.1 * memory.output_size_in_bytes


def temporary(count, monkeypatch=None, least=None):
    """Of a traced fill of equal arrays of 16 MiB, compiled and never run, as a part of them."""
    if least is not None:
        monkeypatch.setattr(filling, "_LEAST", least)

    def init(keys):
        return fill(
            Parameter(str(i), (2048, 2048), Normal(0.0, 0.02), keys[i]) for i in range(count)
        )

    memory = jax.jit(init).lower(jax.random.split(jax.random.key(0), count)).compile()
    analysis = memory.memory_analysis()
    return analysis.temp_size_in_bytes / analysis.output_size_in_bytes


def test_a_traced_fill_needs_little_besides_the_result(monkeypatch):
    """A loop at a time, and the counters of one array, which XLA takes out of the loop."""
    assert temporary(32, monkeypatch, least=1) <= 3.1 / 32


def test_one_loop_over_all_needs_as_much_again(monkeypatch):
    """The control: where nobody minds, there is one."""
    assert temporary(8, monkeypatch, least=2**40) > 1
