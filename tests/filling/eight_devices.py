"""The program behind ``test_devices.py``: draws on up to eight devices.

It prints a JSON object: from the name of a case to what it found.
"""

import json
import re
import sys
import traceback
from functools import cache

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from fanwise.distributions import (
    Constant,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.filling import Parameter, fill
from tests.same_bits import differing

KEY = jax.random.key(11)
INDEPENDENT = {
    "uniform": Uniform(-0.1, 0.3),
    "normal": Normal(0.3, 0.7),
    "truncated normal": TruncatedNormal(0.1, 0.5, -1.0, 1.0),
    "triangular": Triangular(-0.2, 0.5),
}
STRUCTURED = {"orthogonal": Orthogonal(1.3), "sparse": Sparse(0.3, 0.7)}
ALL = INDEPENDENT | STRUCTURED | {"constant": Constant(0.3)}
AXES = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}
LAYOUTS = {
    "rows": ((64, 40), P("x")),
    "columns": ((40, 64), P(None, "x")),
    "rows and columns": ((64, 96), P("x", "y")),
    "two mesh axes on one": ((64, 96), P(None, ("x", "y"))),
    "replicated": ((16, 24), P()),
    "a kernel of Flax": ((3, 3, 16, 64), P(None, None, "y", "x")),
    "a kernel of torch": ((64, 16, 3, 3), P("x", "y")),
    "a short row": ((640, 3), P("x")),
    "short rows, cut": ((64, 32, 3, 4), P("x", None, None, "y")),
    "a bias": ((96,), P(("x", "y"))),
}
# Layouts in which all distributions are drawn; in the others it is the first two.
FULL = ("rows and columns", "a kernel of torch")


def mesh_of(count, kind):
    shape = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (4, 2)}[count]
    devices = jax.devices()[:count]
    return jax.make_mesh(shape, ("x", "y"), axis_types=(AXES[kind],) * 2, devices=devices)


def parameters(key, placed):
    """Uniform and normal in every layout, all distributions, and uniform again, in some."""
    for layout, (shape, spec) in LAYOUTS.items():
        kinds = list(INDEPENDENT)[:2]
        if layout in FULL:
            kinds = [*INDEPENDENT, "uniform", "constant"]
        if layout == "rows and columns":
            kinds += STRUCTURED
        for index, kind in enumerate(kinds):
            key, own = jax.random.split(key)
            sharding = spec if placed else None
            yield Parameter(f"{kind} {index}; {layout}", shape, ALL[kind], own, None, sharding)


@cache
def alone():
    """Every array as one device draws it, not under jit."""
    given = parameters(KEY, placed=False)
    return {p.path: np.asarray(p.distribution.sample(p.key, p.shape)) for p in given}


def layout_of(path):
    return path.partition("; ")[2]


def of_full_layouts(parameters):
    return [p for p in parameters if layout_of(p.path) in FULL]


def verdict(arrays, mesh):
    """What differs from the arrays of one device, or lies elsewhere than asked for."""
    found = differing(arrays, {name: alone()[name] for name in arrays})
    for name, array in arrays.items():
        asked = NamedSharding(mesh, LAYOUTS[layout_of(name)][1])
        if not array.sharding.is_equivalent_to(asked, array.ndim):
            found[name] = f"laid out as {array.sharding}"
    return found


def filled_under_jit(count, kind):
    """Every layout on the largest mesh, some on the others."""
    mesh = mesh_of(count, kind)
    chosen = list if (count, kind) == (8, "auto") else of_full_layouts
    with jax.set_mesh(mesh):
        arrays = jax.jit(lambda key: fill(chosen(parameters(key, placed=True))))(KEY)
    return verdict(arrays, mesh)


def filled_eagerly(kind):
    mesh = mesh_of(8, kind)
    with jax.set_mesh(mesh):
        arrays = fill(of_full_layouts(parameters(KEY, placed=True)))
    return verdict(arrays, mesh)


def filled_beside_a_mesh(devices, kind):
    """Arrays of one device, each drawn there, while a mesh is in force."""
    mesh = jax.make_mesh((len(devices),), "x", (AXES[kind],), devices=devices)
    return places(jax.set_mesh(mesh))


def places(setting):
    """What differs from a draw without the setting; if nothing does, where the arrays lie."""
    with setting:
        arrays = fill(of_full_layouts(parameters(KEY, placed=False)))
    found = differing(arrays, {name: alone()[name] for name in arrays})
    independent = (name for name in arrays if not name.startswith(tuple(STRUCTURED)))
    return found or {name: str(arrays[name].devices()) for name in independent}


COLLECTIVE = re.compile(r"all-reduce|all-gather|all-to-all|collective-\w+|reduce-scatter|send|recv")


def facts(draw):
    """The collectives of a program, and its temporary and resulting bytes on one device."""
    compiled = jax.jit(draw).lower(KEY).compile()
    memory = compiled.memory_analysis()
    collectives = sorted(set(COLLECTIVE.findall(compiled.as_text())))
    return collectives, memory.temp_size_in_bytes, memory.output_size_in_bytes


def of_a_layout(kind, layout):
    """Facts of a program that draws from the scalar distributions, and the bytes of a share."""
    shape, spec = LAYOUTS[layout]
    mesh = mesh_of(8, kind)
    share = np.prod(NamedSharding(mesh, spec).shard_shape(shape), dtype=int).item() * 4
    kinds = INDEPENDENT if layout in FULL else dict(list(INDEPENDENT.items())[:2])
    with jax.set_mesh(mesh):
        found = facts(lambda key: [d.sample(key, shape, None, spec) for d in kinds.values()])
    # Beside the arrays the result holds a pointer to each.
    return *found, len(kinds) * (share + 8)


def communicates():
    """A control: the mean of a sharded draw needs the other devices."""
    sharding = NamedSharding(mesh_of(8, "auto"), P("x", "y"))
    return facts(lambda key: Normal(0, 1).sample(key, (64, 96), None, sharding).mean())


def makes_more_than_its_share():
    """A control: columns are sorted whole, and cut after that."""
    sharding = NamedSharding(mesh_of(8, "auto"), P("x"))

    def draw(key):
        columns = jax.lax.sort(Normal(0, 1).sample(key, (64, 96)), dimension=0)
        return jax.lax.with_sharding_constraint(columns, sharding)

    return facts(draw)


def another_key():
    """A control: the comparison notices other values."""
    other = of_full_layouts(parameters(jax.random.key(12), placed=False))
    return differing(fill(other), {p.path: alone()[p.path] for p in other})


MESHES = ((1, "auto"), (2, "explicit"), (4, "auto"), (8, "auto"), (8, "explicit"))
PROGRAMS = {
    **{f"{layout}, auto axes": ("auto", layout) for layout in LAYOUTS},
    **{f"{layout}, explicit axes": ("explicit", layout) for layout in FULL},
}
BESIDE = ("eight, auto", "eight, explicit", "another one")


def beside():
    devices = jax.devices()
    meshes = (devices, "auto"), (devices, "explicit"), (devices[1:2], "auto")
    return dict(zip(BESIDE, meshes, strict=True))


CASES = {
    **{f"{n} devices, {kind} axes": (filled_under_jit, n, kind) for n, kind in MESHES},
    **{f"eagerly, {kind} axes": (filled_eagerly, kind) for kind in AXES},
    **{name: (of_a_layout, *arguments) for name, arguments in PROGRAMS.items()},
    **{f"beside {name}": (filled_beside_a_mesh, *mesh) for name, mesh in beside().items()},
    "another default device": (places, jax.default_device(jax.devices()[-1])),
    "communicates": (communicates,),
    "makes more than its share": (makes_more_than_its_share,),
    "another key": (another_key,),
}


def judge(case, *arguments):
    try:
        return case(*arguments)
    except Exception:
        return {"raised": traceback.format_exc()}


if __name__ == "__main__":
    if len(jax.devices()) != 8:
        sys.exit(f"expected eight devices, got {jax.devices()}")
    print(json.dumps({name: judge(*case) for name, case in CASES.items()}))
