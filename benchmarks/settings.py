"""How much is measured: the complete run, and a quick one that only shows that all of it works.

The figures of the quick run mean nothing.
"""

from dataclasses import dataclass

from benchmarks.measuring import Rounds

__all__ = ["COMPLETE", "QUICK", "Settings"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """Sizes and repetitions of every part."""

    shapes: tuple[Shape, ...]
    """Of the kernels of independent elements."""
    largest_under_jit: int
    """Elements above which only eager calls are timed, and no distribution that is another one
    under a different name: jax takes seconds there."""
    matrices: tuple[Shape, ...]
    """Of the orthogonal kernels; a first of three axes is a batch."""
    cold: tuple[tuple[str, Shape], ...]
    """Distributions and shapes of the kernels that are timed in fresh processes."""
    networks: dict[str, Rounds]
    memory: tuple[str, ...]
    """Of the networks, those whose peak memory is reported."""
    layers: tuple[int, ...]
    kernel_rounds: Rounds
    cold_rounds: Rounds
    import_rounds: Rounds
    compile_rounds: Rounds


COMPLETE = Settings(
    shapes=(
        (20, 50),
        (100, 100),
        (256, 256),
        (250, 400),
        (1000, 1000),
        (2500, 4000),
        (4096, 4096),
        (10000, 10000),
    ),
    largest_under_jit=2 * 10**7,
    matrices=(
        (64, 64),
        (128, 128),
        (256, 256),
        (512, 512),
        (1024, 1024),
        (64, 64, 64),
        (16, 256, 256),
        (4, 1024, 1024),
    ),
    cold=(
        ("normal", (256, 256)),
        ("normal", (4096, 4096)),
        ("trunc_normal", (256, 256)),
        ("orthogonal", (256, 256)),
    ),
    # The promises are about GPT-2; the others show that it is not alone.
    networks={
        "GPT-2": Rounds(3, 5, 120),
        "ResNet-50": Rounds(1, 3, 30),
        "48 layers": Rounds(1, 3, 40),
    },
    memory=("GPT-2",),
    layers=(1, 3, 12, 48, 96),
    kernel_rounds=Rounds(3, 31, 0.5),
    cold_rounds=Rounds(3, 5, 8),
    import_rounds=Rounds(5, 9, 15),
    compile_rounds=Rounds(1, 5, 6),
)

_ONCE, _TWICE = Rounds(1, 1, 60), Rounds(2, 2, 60)

QUICK = Settings(
    shapes=((20, 50),),
    largest_under_jit=10**6,
    matrices=((8, 8), (2, 8, 8)),
    cold=(("normal", (20, 50)),),
    networks={"tiny transformer": _ONCE},
    memory=("tiny transformer",),
    layers=(1,),
    kernel_rounds=_TWICE,
    cold_rounds=_ONCE,
    import_rounds=_ONCE,
    compile_rounds=_ONCE,
)
