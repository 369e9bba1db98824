"""Every example of the README runs, and what it says a command prints is what it prints."""

import re
import subprocess
import sys
from pathlib import Path

import fanwise as fw

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_python_examples_run_in_order():
    namespace: dict[str, object] = {}
    # Those of torch run in parity/test_readme_torch.py: nothing here needs torch.
    examples = [example for example in blocks("python") if "import torch" not in example]
    assert len(examples) >= 3
    for example in examples:
        exec(compile(example, "README.md", "exec"), namespace)


def test_commands_are_targets_of_the_makefile():
    commands = re.findall(r"^make (\w+)", "\n".join(blocks("console")), re.MULTILINE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert commands == ["parity", "test"]
    assert set(commands) <= set(targets)


def test_bfloat16_figures_are_what_the_command_prints():
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "bfloat16.py"],
        check=True,
        capture_output=True,
        text=True,
    )
    (figures,) = blocks("text")
    assert done.stdout == figures


def test_table_of_calls_names_every_initializer_of_torch():
    rows = re.findall(r"^\| `nn\.init\.(\w+)_\(w.*\)` \| `(fw\..*)` \|$", README, re.MULTILINE)
    for torch_name, call in rows:
        initializer = eval(call, {"fw": fw})
        assert type(initializer).__name__ == torch_name
    assert sorted(name for name, _ in rows) == sorted(
        [
            "uniform",
            "normal",
            "trunc_normal",
            "constant",
            "ones",
            "zeros",
            "eye",
            "dirac",
            "xavier_uniform",
            "xavier_normal",
            "kaiming_uniform",
            "kaiming_normal",
            "orthogonal",
            "sparse",
        ]
    )
