"""Programs on eight devices.

JAX fixes the number of CPU devices when it starts, so they run in processes of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["output_on_eight_devices"]

ROOT = Path(__file__).parents[1]


def output_on_eight_devices(*arguments: str | os.PathLike[str]) -> str:
    """What Python prints on eight CPU devices; warnings are errors, promotion is strict."""
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=8",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
