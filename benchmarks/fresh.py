"""Calls in processes of their own: ``call("module:function", name=value)``.

The arguments go in as JSON and the answer comes back as JSON.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["call", "seconds_to_import"]

_ROOT = Path(__file__).resolve().parent.parent

_IMPORT = """
import time
{before}
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""


def call(target: str, **arguments: Any) -> Any:
    """Call a function of this package in a fresh process and return its answer."""
    printed = _run(["-m", "benchmarks.fresh", target], json.dumps(arguments))
    return json.loads(printed.splitlines()[-1])


def seconds_to_import(statement: str, before: str = "") -> float:
    """Return the seconds that a statement takes in a fresh interpreter, after another one."""
    return float(_run(["-c", _IMPORT.format(before=before, statement=statement)]).split()[-1])


def _run(arguments: list[str], written: str = "") -> str:
    # A compilation found on disk is no cold start.
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run(
        [sys.executable, *arguments],
        input=written,
        capture_output=True,
        text=True,
        cwd=_ROOT,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"the process {arguments} ended with status {done.returncode}, given {written}:\n"
            f"{done.stderr}"
        )
    return done.stdout


def _main() -> None:
    module, _, function = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(module), function)(**json.load(sys.stdin))
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()
