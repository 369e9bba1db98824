"""The example runs, and what it prints is so."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "net_nnx.py"


def test_net_nnx():
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "conv1: Conv2d [weight (6, 3, 5, 5), bias (6,)]"
    assert lines[5].startswith("fc1.weight: std 0.07")
    assert lines[6] == "scores of two images: (2, 10)"
    assert lines[7] == "init_weights changed fc1.kernel, fc2.kernel, fc3.kernel"
    assert lines[8] == "fc3 alone changed fc3.kernel"
