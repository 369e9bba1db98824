"""Recurrent cells: orthogonal kernels, one per gate or all gates in one wide matrix.

linen's cells hold one recurrent kernel per gate. Two of nnx's hold the gates side by side in a
kernel (H, 3H) or (H, 4H), and orthogonal reads that as a single wide matrix, as torch does with
its packed weight_hh (trap 15): fewer degrees of freedom, and a smaller scale per gate.
"""

import math
from dataclasses import dataclass
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

import fanwise as fw
from fanwise.distributions import Orthogonal
from tests.flax.witness import Witness, assert_same_bits

KEY = jax.random.key(11)
INPUTS, HIDDEN = 5, 6
INITS = {
    "kernel_init": fw.xavier_uniform(),
    "recurrent_kernel_init": fw.orthogonal(),
    "bias_init": fw.bias_uniform(fan_in=HIDDEN),
}


@dataclass(frozen=True)
class Cell:
    """A cell's class, its kernels from the input and from the state, and its gates in each."""

    make: type
    inputs: tuple[str, ...]
    recurrent: tuple[str, ...]
    fused: int = 1

    @property
    def is_linen(self):
        return issubclass(self.make, nn.Module)

    def parameters(self, dtype=jnp.float32, wrap=lambda cell: cell, **inits):
        dtypes = {"dtype": dtype, "param_dtype": dtype}
        if self.is_linen:
            cell = wrap(self.make(HIDDEN, **dtypes, **inits))
            x = jnp.ones((2, 3, INPUTS), dtype)
            if isinstance(cell, nn.RNN):
                variables = cell.init(KEY, x)
            else:
                carry = cell.initialize_carry(KEY, x[:, 0].shape)
                variables = cell.init(KEY, carry, x[:, 0])
            return flatten_dict(variables["params"], sep="/")
        cell = wrap(self.make(INPUTS, HIDDEN, **dtypes, **inits, rngs=nnx.Rngs(KEY)))
        return flatten_dict(nnx.to_pure_dict(nnx.state(cell, nnx.Param)), sep="/")


def per_gate(prefix, gates):
    return tuple(f"{prefix}{gate}" for gate in gates)


LSTM = per_gate("i", "ifgo"), per_gate("h", "ifgo")
CELLS = {
    "linen LSTM": Cell(nn.LSTMCell, *LSTM),
    "linen optimized LSTM": Cell(nn.OptimizedLSTMCell, *LSTM),
    "linen GRU": Cell(nn.GRUCell, per_gate("i", "rzn"), per_gate("h", "rzn")),
    "linen simple": Cell(nn.SimpleCell, ("i",), ("h",)),
    "nnx LSTM": Cell(nnx.LSTMCell, ("ii", "if_", "ig", "io"), ("hi", "hf", "hg", "ho")),
    "nnx optimized LSTM": Cell(nnx.OptimizedLSTMCell, ("dense_i",), ("dense_h",), fused=4),
    "nnx GRU": Cell(nnx.GRUCell, ("dense_i",), ("dense_h",), fused=3),
    "nnx simple": Cell(nnx.SimpleCell, ("dense_i",), ("dense_h",)),
}
by_cell = pytest.mark.parametrize("name", CELLS)
by_fused_cell = pytest.mark.parametrize("name", ["nnx GRU", "nnx optimized LSTM"])


@cache
def keys_of(name):
    spelled = CELLS[name].parameters(**dict.fromkeys(INITS, Witness()))
    return {path: Witness.key(parameter) for path, parameter in spelled.items()}


def expected_parameters(name, dtype=jnp.float32):
    cell = CELLS[name]
    shapes = {
        **{f"{path}/kernel": (INPUTS, HIDDEN * cell.fused) for path in cell.inputs},
        **{f"{path}/kernel": (HIDDEN, HIDDEN * cell.fused) for path in cell.recurrent},
    }
    for path, key in keys_of(name).items():
        if path.endswith("bias"):
            own, shape = "bias_init", (HIDDEN * cell.fused,)
        else:
            is_recurrent = path.removesuffix("/kernel") in cell.recurrent
            own, shape = "recurrent_kernel_init" if is_recurrent else "kernel_init", shapes[path]
        yield path, INITS[own](key, shape, dtype)


@by_cell
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_a_cell_gets_what_its_initializers_give(name, dtype):
    cell = CELLS[name]
    parameters = cell.parameters(dtype, **INITS)

    kernels = {path for path in parameters if path.endswith("kernel")}
    assert kernels == {f"{path}/kernel" for path in cell.inputs + cell.recurrent}
    assert set(parameters) == set(keys_of(name))
    for path, expected in expected_parameters(name, dtype):
        assert_same_bits(parameters[path], expected)


@by_cell
def test_a_cell_is_the_same_inside_an_rnn(name):
    rnn = nn.RNN if CELLS[name].is_linen else nnx.RNN
    parameters = CELLS[name].parameters(wrap=rnn, **dict.fromkeys(INITS, Witness()))

    assert {path.removeprefix("cell/") for path in parameters} == set(keys_of(name))
    drawn = CELLS[name].parameters(wrap=rnn, **INITS)
    for path in (path for path in drawn if path.endswith("kernel")):
        is_recurrent = path.split("/")[-2] in CELLS[name].recurrent
        own = INITS["recurrent_kernel_init" if is_recurrent else "kernel_init"]
        assert_same_bits(drawn[path], own(Witness.key(parameters[path]), drawn[path].shape))


@by_cell
def test_recurrent_kernels_have_orthonormal_rows(name):
    """Of a square kernel that makes the columns orthonormal as well, of a fused one it cannot."""
    cell = CELLS[name]
    parameters = cell.parameters(**INITS)
    for path in cell.recurrent:
        kernel = np.asarray(parameters[f"{path}/kernel"], np.float64)
        assert kernel.shape == (HIDDEN, cell.fused * HIDDEN)
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(HIDDEN), atol=1e-5)


@by_fused_cell
def test_trap_15_gates_in_one_matrix_are_scaled_down(name):
    fused = CELLS[name].fused
    kernel = np.asarray(CELLS[name].parameters(**INITS)["dense_h/kernel"], np.float64)
    # A square orthogonal matrix has mean square 1/H; the rows of a wide one share their norm
    # among the gates: 0.577 of the scale for three gates, 0.5 for four.
    share = math.sqrt(np.mean(kernel**2) * HIDDEN)
    assert share == pytest.approx(1 / math.sqrt(fused), rel=1e-5)
    gates = np.split(kernel, fused, axis=1)
    assert not any(np.allclose(gate @ gate.T, np.eye(HIDDEN), atol=0.1) for gate in gates)


@by_fused_cell
def test_trap_15_a_batch_axis_gives_one_orthogonal_matrix_per_gate(name):
    fused = CELLS[name].fused

    def orthogonal_per_gate(key, shape, dtype):
        gates = fw.orthogonal(layout="IBO")(key, (HIDDEN, fused, HIDDEN), dtype)
        return gates.reshape(shape)

    inits = INITS | {"recurrent_kernel_init": orthogonal_per_gate}
    kernel = np.asarray(CELLS[name].parameters(**inits)["dense_h/kernel"], np.float64)
    for gate in np.split(kernel, fused, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(HIDDEN), atol=1e-5)


@by_cell
def test_trap_20_bfloat16_kernels_are_the_float32_ones_rounded(name):
    """Neither JAX nor torch on CPU factorizes in bfloat16; the float32 matrix, rounded, will do."""
    parameters = CELLS[name].parameters(jnp.bfloat16, **INITS)
    for path in (f"{path}/kernel" for path in CELLS[name].recurrent):
        exact = Orthogonal().sample(keys_of(name)[path], parameters[path].shape, jnp.float32)
        assert_same_bits(parameters[path], exact.astype(jnp.bfloat16))


def test_trap_20_what_jax_has_cannot_make_a_bfloat16_cell():
    """Should this fail one day, JAX has learnt it, and the reason given above has to be changed."""
    with pytest.raises(NotImplementedError, match="bfloat16"):
        CELLS["nnx GRU"].parameters(jnp.bfloat16)
