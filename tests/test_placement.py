"""Arrays laid out over devices: the same values, the sharding that was asked for."""

import os
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

import fanwise as fw

# Four devices have to be asked for before JAX starts, hence in a process of its own.
FOUR_DEVICES = """
    import jax
    import numpy as np
    from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

    import fanwise as fw

    assert jax.device_count() == 4
    key = jax.random.key({seed})
    shape = (16, 24)
    initializers = [
        fw.uniform(-0.1, 0.3),
        fw.normal(0.1, 0.3),
        fw.trunc_normal(0.1, 0.3, -0.2, 0.9),
        fw.constant(0.3),
        fw.orthogonal(),
    ]
    specs = [P("x"), P(None, "y"), P("y", "x"), P(("x", "y"), None), P()]
    checked = 0
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((2, 2), ("x", "y"), axis_types=(kind, kind))
        for index, initializer in enumerate(initializers):
            alone = np.asarray(initializer(key, shape))
            for spec in specs[index % 2 :: 2][:2]:
                sharding = NamedSharding(mesh, spec)
                draws = [initializer(key, shape, None, sharding)]
                with jax.set_mesh(mesh):
                    traced = jax.jit(lambda key: initializer(key, shape, None, spec))
                    draws.append(traced(key))
                for array in draws:
                    assert array.sharding.is_equivalent_to(sharding, 2), (initializer, spec)
                    assert np.array_equal(alone, np.asarray(array)), (initializer, spec)
                    checked += 1
    print(checked)
"""


def test_values_do_not_depend_on_the_devices(seed):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(FOUR_DEVICES).format(seed=seed)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 40


def mesh(kind):
    return Mesh(np.array(jax.devices()[:1]), ("x",), axis_types=(kind,))


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_one_device(kind, key):
    sharding = NamedSharding(mesh(kind), PartitionSpec("x"))
    array = fw.normal()(key, (3, 4), None, sharding)
    assert array.sharding.is_equivalent_to(sharding, 2)
    assert (np.asarray(array) == np.asarray(fw.normal()(key, (3, 4)))).all()
    by_keyword = fw.normal()(key, (3, 4), out_sharding=sharding)
    assert by_keyword.sharding.is_equivalent_to(sharding, 2)


def test_a_spec_needs_a_mesh(key):
    spec = PartitionSpec("x")
    with pytest.raises(ValueError, match=r"jax\.set_mesh\(mesh\)") as caught:
        fw.normal()(key, (3, 4), None, spec)
    assert repr(spec) in str(caught.value)
    with jax.set_mesh(mesh(AxisType.Auto)):
        assert fw.normal()(key, (3, 4), None, spec).shape == (3, 4)


@pytest.mark.parametrize("out_sharding", ["x", ("x", None), 3, len], ids=str)
def test_what_is_no_sharding(out_sharding, key):
    with pytest.raises(TypeError, match="out_sharding must be a") as caught:
        fw.zeros()(key, (3, 4), None, out_sharding)
    assert repr(out_sharding) in str(caught.value)
    assert type(out_sharding).__name__ in str(caught.value)


def test_an_unknown_mesh_axis(key):
    with jax.set_mesh(mesh(AxisType.Auto)), pytest.raises(ValueError, match=r"y.*not found"):
        fw.normal()(key, (3, 4), None, PartitionSpec("y"))
