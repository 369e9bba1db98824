"""What XLA compiles while something runs."""

from contextlib import contextmanager

import jax

__all__ = ["compilations"]

COMPILED = "/jax/core/compile/backend_compile_duration"


@contextmanager
def compilations():
    """The names of the functions that XLA compiles in the block."""
    names = []

    def listen(event, seconds, **details):
        if event == COMPILED:
            names.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
