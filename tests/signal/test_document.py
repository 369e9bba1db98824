"""docs/choosing.md: its code runs, and it has the figures and pictures of every network."""

import re
from pathlib import Path

import pytest

from examples.choosing.document import filled
from examples.choosing.families import FAMILIES, family
from examples.choosing.study import rules_of

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "choosing.md"
TEXT = DOCUMENT.read_text()


def test_python_examples_run_in_order(tmp_path: Path, monkeypatch, capsys):
    examples = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 5
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "choosing.md", "exec"), namespace)
    assert (tmp_path / "signal.png").stat().st_size > 10_000
    assert "conv2_4" in capsys.readouterr().out


@pytest.mark.parametrize("name", FAMILIES)
def test_every_network_has_a_row_for_every_rule(name):
    parts = re.findall(rf"<!-- {name} -->\n(.*?)<!-- end {name} -->", TEXT, re.DOTALL)
    assert len(parts) == 1
    (part,) = parts
    rows = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("|")]
    assert rows[2:] == list(rules_of(family(name)))
    assert "\nSignal: " in part
    assert "\nTraining: " in part
    # The command would write between these marks.
    assert filled(TEXT, {name: part.strip()}) == TEXT


def test_pictures_are_there_and_small():
    shown = set(re.findall(r"!\[[^\]]+\]\((choosing/\w+\.png)\)", TEXT))
    kept = {f"choosing/{path.name}" for path in (DOCUMENT.parent / "choosing").iterdir()}
    assert shown == kept
    assert {f"choosing/{name}{end}.png" for name in FAMILIES for end in ("", "_training")} == kept
    for path in kept:
        assert (DOCUMENT.parent / path).stat().st_size < 150_000


def test_commands_are_there():
    (command,) = re.findall(r"^python -m (\S+) --write (\S+)", TEXT, re.MULTILINE)
    assert command == ("examples.choose_mode", "docs/choosing.md")
