"""The rows of ``port.check``: faulty ports named and explained, sound starts left in peace.

The errors planted in a faulty port are its own mistakes; in an example model, Flax's own start.
"""

import jax

import fanwise as fw
from examples.models.families import FAMILIES
from examples.models.family import Family
from fanwise.porting import Report
from parity.faulty_ports import PORTS, Port
from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress
from parity.seeding import numpy_generator, typed_key

__all__ = ["of_family", "of_port", "run"]

_SAMPLES = 2**14


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """A row for each faulty port, and one for each example model in linen and in nnx."""
    rows = [of_port(port, seed) for port in progress.track(PORTS, "faulty ports")]
    for family in progress.track(FAMILIES, "starts of models"):
        rows += [of_family(family, framework, seed) for framework in ("linen", "nnx")]
    return rows


def of_port(port: Port, seed: int) -> LayerRow:
    """Failures are sound parameters named; missed are faults not named, or not with the cause."""
    recipe = fw.torch.record(port.torch)
    key = typed_key(seed, f"check of {port}")
    faulty = port.check(torch=recipe, key=key)
    mended = port.check(mended=True, torch=recipe, key=jax.random.fold_in(key, 1))
    causes = {name: fault.cause for fault in faulty.faults for name in fault.torch}
    false = [name for name in causes if name not in port.faults]
    lines = [f"{name} is sound and said to differ: {causes[name]}" for name in false]
    missed = [
        f"{name}: {causes.get(name, 'not named')} instead of {port.cause}"
        for name in sorted(port.faults)
        if causes.get(name) != port.cause
    ]
    return LayerRow(
        str(port),
        port.framework,
        len(faulty.rows) + len(mended.rows),
        (*lines, *_differences(mended, "mended, ")),
        len(port.faults),
        tuple(missed),
        None,
        str(port.cause),
    )


def of_family(family: Family, framework: str, seed: int) -> LayerRow:
    """What ``port.init`` draws agrees with torch's constructor; Flax's own start does not."""
    recipe = fw.torch.record(family.torch)
    key = typed_key(seed, f"start of {family} in {framework}")
    if framework == "linen":
        model = family.linen()
        inputs = family.inputs(numpy_generator(seed, f"inputs of {family}"))
        layers, names = fw.linen.layers(model, *inputs), dict(family.names)
    else:
        model, inputs = (lambda rngs: family.nnx(rngs=rngs)), ()
        layers, names = fw.nnx.layers(model), dict(family.nnx_names)
    told = {"names": names or None, "flatten": dict(family.flatten) or None}
    pairs = fw.port.match(recipe, layers, **told)
    options = {**told, "key": key, "samples": _SAMPLES}
    init = lambda own: fw.port.init(recipe, pairs, own)
    ported = fw.port.check(recipe, model, *inputs, init=init, **options)
    own = fw.port.check(recipe, model, *inputs, **options)
    causes = sorted({str(fault.cause) for fault in own.faults})
    return LayerRow(
        f"{family}, recorded start",
        framework,
        len(ported.rows),
        tuple(_differences(ported, "")),
        1,
        () if own.faults else ("Flax's own start",),
        None,
        f"{len(own.faults)} of {len(own.rows)} differ: {', '.join(causes)}",
    )


def _differences(report: Report, prefix: str) -> list[str]:
    return [f"{prefix}{fault}" for fault in report.faults]
