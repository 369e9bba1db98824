"""The quick run of the benchmarks: it goes through and writes what it should.

No time is asserted. It passes without torch and without flax too, whose contestants are then
listed as missing.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import kernels, machine, report
from benchmarks.__main__ import PARTS, main
from benchmarks.measuring import Rounds
from benchmarks.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SPREAD = {"median", "lower_quartile", "upper_quartile", "repetitions"}
LABELS = {
    "kernels": {"distribution", "dtype", "shape", "elements"},
    "models": {"network", "elements"},
    "memory": {"of"},
    "imports": set(),
    "compile": {"layers"},
}


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmarks")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_quick_run_writes_both_files(quick_run):
    out, printed = quick_run
    assert sorted(path.name for path in out.iterdir()) == ["results.json", "results.png"]
    assert (out / "results.png").read_bytes().startswith(b"\x89PNG")
    tables, _, _ = printed.partition(" cores (")
    assert max(map(len, tables.splitlines())) <= 100
    assert "targets" in tables


def test_the_results_say_what_was_measured_where(quick_run):
    record = json.loads((quick_run[0] / "results.json").read_text())
    assert set(record) == {
        "facts",
        "quick",
        "parts",
        "seconds",
        "missing",
        "measurements",
        "targets",
    }
    assert record["quick"] is True
    assert record["parts"] == list(PARTS)
    assert {"date", "cores", "versions", "backend", "load_at_start"} <= set(record["facts"])
    assert record["facts"]["versions"]["jax"]
    for measurement in record["measurements"]:
        expected = {"part", "quantity", "contestant", *LABELS[measurement["part"]], *SPREAD}
        assert set(measurement) == expected
        assert measurement["lower_quartile"] <= measurement["median"]
        assert measurement["median"] <= measurement["upper_quartile"]
    for target in record["targets"]:
        assert target["verdict"] in {"met", "NOT met", "not measured"}


def test_every_contestant_is_measured_or_missing(quick_run):
    record = json.loads((quick_run[0] / "results.json").read_text())
    measured = {each["contestant"] for each in record["measurements"]}
    for package in ("torch", "flax"):
        needing = {"torch"} if package == "torch" else {"linen jit", "nnx eager"}
        there = measured if find_spec(package) else set(record["missing"])
        assert needing <= there
    parts = {each["part"] for each in record["measurements"]}
    assert parts == set(PARTS) if find_spec("flax") else {"kernels", "imports"} <= parts


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--parts", "kernels,speed"])
    assert "got speed" in capsys.readouterr().err


def test_absent_packages_leave_the_others(monkeypatch):
    monkeypatch.setattr(machine, "is_installed", lambda name: name != "torch")
    assert report.missing() == ["torch", "torch default"]
    once = Rounds(1, 1, 60)
    settings = Settings(
        shapes=((4, 32),),
        largest_under_jit=0,
        matrices=(),
        cold=(),
        networks={},
        memory=(),
        layers=(),
        kernel_rounds=once,
        cold_rounds=once,
        import_rounds=once,
        compile_rounds=once,
    )
    found = list(kernels.measure(settings, lambda text: None))
    assert {each.labels["contestant"] for each in found} == {"fanwise", "jax"}
