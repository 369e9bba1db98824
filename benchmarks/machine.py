"""The machine that the figures belong to."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["available_memory", "cores", "facts", "is_installed", "is_unquiet", "resident"]

_PACKAGES = ("fanwise", "jax", "jaxlib", "flax", "torch", "numpy")


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    return find_spec(package) is not None


def cores() -> int:
    """Return how many cores this process may run on, which is how many JAX uses."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Return the bytes that can be used without swapping."""
    try:
        return _kilobytes("/proc/meminfo", "MemAvailable") * 1024
    except OSError:  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def resident() -> tuple[int, int]:
    """Return the bytes of memory that this process has now, and the most that it ever had.

    From /proc where it exists: ``ru_maxrss`` of a process begins on Linux with what its parent
    had when it started it, here a parent that has drawn large arrays.
    """
    try:
        return (
            _kilobytes("/proc/self/status", "VmRSS") * 1024,
            _kilobytes("/proc/self/status", "VmHWM") * 1024,
        )
    except OSError:  # not Linux
        import resource

        unit = 1 if platform.system() == "Darwin" else 1024
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return most, most


def system_seconds() -> float:
    """Return the processor time that the system spent for this process.

    Most of it goes into giving pages to memory touched for the first time, which on a virtual
    machine can take longer than drawing what is written there.
    """
    return os.times().system


def is_unquiet() -> bool:
    """Whether others use so much of this machine that the figures mean little."""
    return os.getloadavg()[0] > 0.5 * cores()


def facts() -> dict[str, Any]:
    """Return what a reader has to know to judge the figures."""
    import jax

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": cores(),
        "processor": _processor(),
        "memory_gigabytes": round(available_memory() / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "backend": jax.default_backend(),
        "versions": {name: metadata.version(name) for name in _PACKAGES if is_installed(name)},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def _kilobytes(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"{path} says nothing of {name}")
