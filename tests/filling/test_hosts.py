"""Two processes with four devices each fill one model over the mesh of all eight.

They are the smallest case of many hosts, on JAX's own engine: a coordinator on loopback, and
arrays that no process holds whole. Each compares its shards with what one device draws alone.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.filling.two_processes import MODEL

ROOT = Path(__file__).parents[2]
SECONDS = 120


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(coordinator, process, folder):
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=4",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    # Files and not pipes, which nobody would empty while the other process is waited for.
    with (folder / f"out{process}").open("w") as out, (folder / f"err{process}").open("w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.filling.two_processes", coordinator, str(process)],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=err,
        )


def wait(processes):
    """Wait until all are done or one has failed, and leave none behind."""
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            codes = [process.poll() for process in processes]
            if all(code == 0 for code in codes) or any(codes):
                return codes
            time.sleep(0.1)
        return ["not done"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    coordinator = f"127.0.0.1:{free_port()}"
    codes = wait([start(coordinator, process, folder) for process in (0, 1)])
    texts = {path.name: path.read_text() for path in sorted(folder.iterdir())}
    shown = "\n".join(f"--- {name}\n{text}" for name, text in texts.items())
    assert codes == [0, 0], f"exit codes {codes} within {SECONDS} seconds\n{shown}"
    return [json.loads(texts[name].splitlines()[-1]) for name in ("out0", "out1")]


@pytest.mark.parametrize("process", [0, 1])
def test_the_mesh_is_over_both(process, reports):
    assert reports[process]["devices"] == [4, 8]


@pytest.mark.parametrize("process", [0, 1])
@pytest.mark.parametrize("axes", ["Auto", "Explicit"])
@pytest.mark.parametrize("how", ["under jit", "eagerly"])
def test_every_shard_is_a_part_of_the_whole(how, axes, process, reports):
    wrong, compared = reports[process][f"{how}, {axes}"]
    assert wrong == []
    assert compared == 4 * len(MODEL)


@pytest.mark.parametrize("process", [0, 1])
def test_the_comparison_can_fail(process, reports):
    wrong, _ = reports[process]["planted"]
    assert len(wrong) == 4 * len(MODEL)
