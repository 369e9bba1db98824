"""Independent weights in one array: the axis that stacks them belongs in no fan.

Under vmap and scan Flax takes care of that, as an initializer sees one layer (trap 6). A kernel
that a module declares as (experts, in, out) has to say so with the layout ``BIO`` (trap 7), and so
has a stacked tree that is drawn again as a whole.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import fanwise as fw
from fanwise.distributions import Normal
from tests.flax.witness import Witness, assert_same_bits

KEY = jax.random.key(17)
EXPERTS, IN, OUT = 16, 6, 8


class LinenExperts(nn.Module):
    kernel_init: object

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", self.kernel_init, (EXPERTS, IN, OUT), jnp.float32)
        return jnp.einsum("ebi,eio->ebo", x, kernel)


class NnxExperts(nnx.Module):
    def __init__(self, init, rngs):
        self.kernel = nnx.Param(init(rngs.params(), (EXPERTS, IN, OUT), jnp.float32))


def linen_experts(init):
    return LinenExperts(init).init(KEY, jnp.ones((EXPERTS, 2, IN)))["params"]["kernel"]


def linen_vmapped(init):
    experts = nn.vmap(nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True})
    model = experts(OUT, use_bias=False, kernel_init=init)
    return model.init(KEY, jnp.ones((EXPERTS, 2, IN)))["params"]["kernel"]


def nnx_experts(init):
    return NnxExperts(init, nnx.Rngs(KEY)).kernel[...]


def nnx_vmapped(init):
    @nnx.split_rngs(splits=EXPERTS)
    @nnx.vmap
    def experts(rngs):
        return nnx.Linear(IN, OUT, use_bias=False, kernel_init=init, rngs=rngs)

    return experts(nnx.Rngs(KEY)).kernel[...]


STACKED = {"linen": linen_experts, "nnx": nnx_experts}
VMAPPED = {"linen": linen_vmapped, "nnx": nnx_vmapped}
by_stacked = pytest.mark.parametrize("build", STACKED.values(), ids=STACKED)
by_vmapped = pytest.mark.parametrize("build", VMAPPED.values(), ids=VMAPPED)


@by_stacked
@pytest.mark.parametrize("make", [fw.kaiming_normal, fw.xavier_uniform, fw.orthogonal])
def test_trap_7_experts_are_drawn_with_a_batch_axis(build, make):
    witness = Witness()
    key = Witness.key(build(witness))
    assert witness.shapes == [(EXPERTS, IN, OUT)]
    drawn = make(layout="BIO")(key, (EXPERTS, IN, OUT), jnp.float32)
    assert_same_bits(build(make(layout="BIO")), drawn)


@by_vmapped
def test_trap_7_declared_and_vmapped_experts_have_one_distribution(build):
    witness = Witness()
    build(witness)
    (shape,) = set(witness.shapes)
    for make in (fw.kaiming_normal, fw.kaiming_uniform, fw.xavier_normal, fw.lecun_normal):
        declared = make(layout="BIO").distribution((EXPERTS, IN, OUT))
        assert make().distribution(shape) == declared


def test_trap_7_without_a_batch_axis_experts_count_as_receptive_field():
    shape = (EXPERTS, IN, OUT)
    right = fw.kaiming_normal(layout="BIO").distribution(shape)
    wrong = fw.kaiming_normal().distribution(shape)
    assert right == Normal(0.0, math.sqrt(2) / math.sqrt(IN))
    # Here by 4: as far off as trap 4, where Flax itself counts the batch axis in.
    assert right.std / wrong.std == pytest.approx(math.sqrt(EXPERTS), rel=1e-12)


@by_stacked
def test_trap_7_every_expert_is_orthogonal_by_itself(build):
    kernel = np.asarray(build(fw.orthogonal(layout="BIO")), np.float64)
    for expert in kernel:
        np.testing.assert_allclose(expert @ expert.T, np.eye(IN), atol=1e-5)
    # And they are not one matrix sixteen times.
    assert len({expert.tobytes() for expert in kernel}) == EXPERTS


@by_vmapped
def test_trap_6_an_axis_of_vmap_is_no_axis_of_the_kernel(build):
    kernel = np.asarray(build(fw.orthogonal()), np.float64)
    assert kernel.shape == (EXPERTS, IN, OUT)
    for layer in kernel:
        np.testing.assert_allclose(layer @ layer.T, np.eye(IN), atol=1e-5)


@pytest.mark.parametrize(
    ("layout", "stacked", "own_layout", "own"),
    [
        ("BIO", (12, 64, 128), "...IO", (64, 128)),
        ("B...IO", (12, 3, 3, 64, 128), "...IO", (3, 3, 64, 128)),
        ("IBO", (64, 12, 128), "...IO", (64, 128)),
        ("BIOO", (12, 64, 4, 32), "IOO", (64, 4, 32)),
        ("BBIO", (12, 8, 64, 128), "...IO", (64, 128)),
    ],
)
def test_trap_6_a_stacked_tree_can_be_drawn_again(layout, stacked, own_layout, own):
    """The layers of a scan, of experts, of experts within a scan."""
    for make in (fw.kaiming_normal, fw.xavier_uniform, fw.lecun_normal):
        again = make(layout=layout).distribution(stacked)
        assert again == make(layout=own_layout).distribution(own)
    assert fw.fans(stacked, layout) == fw.fans(own, own_layout)
