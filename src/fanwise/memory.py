"""Whether what is asked for fits, said before anything is drawn."""

import jax

__all__ = ["available_bytes", "check_memory"]

# Below this nobody is asked: reading the system's files takes longer than the filling.
_SMALL = 2**28


def check_memory(asked: int) -> None:
    """Raise MemoryError if so many bytes are known not to fit on the default device.

    Args:
        asked: bytes of all arrays that one device must hold.
    """
    there = available_bytes() if asked > _SMALL else None
    if there is not None and asked > there:
        raise MemoryError(
            f"the parameters take {asked:,} bytes and {there:,} are there: lay them out over "
            f"devices (out_sharding), choose a smaller dtype, or free memory"
        )


def available_bytes() -> int | None:
    """The bytes that can still be had on the default device; None where nobody knows."""
    if jax.default_backend() != "cpu":
        statistics = jax.local_devices()[0].memory_stats() or {}
        if "bytes_limit" not in statistics:
            return None
        return int(statistics["bytes_limit"]) - int(statistics.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return None
