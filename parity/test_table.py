"""The table, the files, and the exit status."""

import io
import json
import sys

import pytest
from rich.console import Console

import parity.__main__ as command
from fanwise.testing import Check
from parity import exact, structural
from parity.report import Report
from parity.result import NEAREST, OURS, TORCH, Finding, rows_of
from parity.table import HEADERS, cells, print_table


def check(statistic: float) -> Check:
    return Check("ks", statistic, 0.5, 1e-9, 0.9, 100, "D")


GOOD = (
    Finding("normal", "exact", OURS, ("one", "two"), notices=1e-12),
    Finding("normal", "statistical", OURS, ("one",), (), 12_345, (check(0.2),), 0.004),
    Finding("normal", "power", OURS, ("a", "b", "c")),
    Finding("normal", "statistical", NEAREST, ("one",), (), 9, (check(0.7),), 0.1, "normal", "128"),
    Finding("eye", "structural", OURS, ("three",), notices=0.0),
    Finding("eye", "structural", NEAREST, reason="none"),
    Finding("ones", "structural", OURS, ("four",), notices=0.0),
    Finding("ones", "structural", NEAREST, ("four",), name="ones"),
)

BAD = {
    "mismatch": Finding("normal", "exact", OURS, ("one",), ("torch 1, we 2",)),
    "check": Finding("normal", "statistical", OURS, ("one",), (), 5, (check(0.6),)),
    "nan": Finding("normal", "statistical", OURS, ("one",), (), 5, (check(float("nan")),)),
    "power": Finding("normal", "power", OURS, ("planted",), ("planted",)),
    "control": Finding("normal", "statistical", TORCH, ("one",), (), 5, (check(0.6),)),
}


def printed(rows, failures=(), width=100, terminal=False) -> str:
    file = io.StringIO()
    colours = "standard" if terminal else "auto"
    console = Console(file=file, width=width, force_terminal=terminal, color_system=colours)
    print_table(rows, failures, console)
    return file.getvalue()


def test_rows_add_up():
    normal, eye, ones = rows_of(GOOD)
    assert (normal.cases, normal.mismatches, normal.samples) == (2, 0, 12_345)
    assert normal.worst.share == pytest.approx(0.4)
    assert normal.notices == 0.004
    assert normal.planted == (3, 3)
    assert [row.agrees for row in (normal, eye, ones)] == [True] * 3
    assert [row.nearest_agrees for row in (normal, eye, ones)] == [False, None, True]


def test_cells():
    normal, eye, ones = rows_of(GOOD)
    assert cells(normal) == (
        *("normal", "2", "0", "12.3 k", "0.40 ks", "0.4 %", "3/3", "agrees"),
        "normal: disagrees (128)",
    )
    assert cells(eye)[4:] == ("-", "any bit", "-", "agrees", "none")
    assert cells(ones)[-1] == "ones: agrees"


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_anything_wrong_disagrees(bad):
    row = rows_of((*GOOD, bad))[0]
    assert not row.agrees
    assert cells(row)[-2] == "DISAGREES"
    report = Report(rows_of((*GOOD, bad)), 0, 1.0)
    assert not report.agrees
    assert report.summary().startswith("1 of 3 rows DISAGREE")
    assert len(report.failures) == 1


def test_jax_never_decides():
    assert rows_of(GOOD)[0].nearest_agrees is False
    assert Report(rows_of(GOOD), 0, 1.0).agrees


def test_nothing_examined_is_no_agreement():
    assert not Report((), 0, 1.0).agrees
    assert not rows_of([Finding("normal", "exact")])[0].agrees


def test_reasons_are_named_once():
    findings = [
        Finding("normal", "exact", NEAREST, (), lines, name="normal", reason=reason)
        for lines, reason in ((("x",), "a; b"), (("x",), "b"), ((), "not failed"), (("x",), "c; a"))
    ]
    assert rows_of(findings)[0].nearest_reasons == ("a", "b", "c")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        Finding("normal", "guesswork")


def test_legible_at_100_columns():
    wide = (
        Finding("delta_orthogonal", "power", OURS, tuple("abcdefghijkl")),
        Finding("delta_orthogonal", "exact", OURS, ("one",), ("wrong",) * 123, 123_456_789),
        Finding("delta_orthogonal", "structural", OURS, (), (), 0, (check(0.3),), 0.0079),
        *(
            Finding("delta_orthogonal", "exact", NEAREST, (), ("x",), 0, (), None, name, reason)
            for name, reason in (("delta_orthogonal", "truncated at 2 std"), ("b", "refuses"))
        ),
    )
    text = printed(rows_of((*GOOD, *wide)))
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    assert "\x1b" not in text
    for word in ("truncated", "refuses", "delta_orthogonal,", "DISAGREES", "12/12", "123 M"):
        assert word in text
    for word in ("normal", "12.3 k", "0.40 ks", "agrees", "planted"):
        assert word in text


def test_coloured_on_a_terminal():
    assert "\x1b[32magrees" in printed(rows_of(GOOD), terminal=True)
    bad = rows_of((*GOOD, BAD["check"]))
    assert "\x1b[1;31mDISAGREES" in printed(bad, terminal=True)


def test_failures_are_printed_up_to_a_limit():
    text = printed(rows_of(GOOD), [f"line {number}" for number in range(50)])
    assert "line 0" in text
    assert "line 49" not in text
    assert "10 more" in text


def test_files(tmp_path):
    report = Report(rows_of((*GOOD, BAD["mismatch"], BAD["nan"])), 7, 2.5, ("power",))
    as_json, as_markdown = report.write(tmp_path / "new")
    data = json.loads(as_json.read_text("utf-8"))
    assert (data["agrees"], data["seed"], data["not_run"]) == (False, 7, ["power"])
    assert [row["initializer"] for row in data["rows"]] == ["normal", "eye", "ones"]
    assert data["rows"][0]["worst_share"] == "inf"
    assert data["versions"]["torch"].startswith("2.")
    text = as_markdown.read_text("utf-8")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {len(HEADERS) + 1}
    assert "torch 1, we 2" in text
    assert "Seed 7" in text


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command with findings in place of the checks."""

    def run(findings, *arguments):
        monkeypatch.setattr(exact, "run", lambda seed, progress: list(findings))
        monkeypatch.setattr(structural, "run", lambda seed, progress: [])
        return command.main(["--kinds", "exact,structural", "--out", str(tmp_path), *arguments])

    return run


def test_exit_status(run, tmp_path, capsys):
    assert run(GOOD) == 0
    assert "All 3 rows agree with torch.nn.init. Seed" in capsys.readouterr().out
    assert run((*GOOD, BAD["mismatch"])) == 1
    assert "normal, exact: torch 1, we 2" in capsys.readouterr().out
    assert (tmp_path / "parity.md").exists()


def test_the_seed_comes_from_the_environment(run, monkeypatch, capsys):
    monkeypatch.setenv("FANWISE_SEED", "17")
    assert run(GOOD) == 0
    assert "Seed 17" in capsys.readouterr().out
    monkeypatch.setenv("FANWISE_SEED", "x")
    with pytest.raises(ValueError, match="FANWISE_SEED must be an integer"):
        run(GOOD)


def test_unknown_kinds_are_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["--kinds", "exact,guesswork"])
    assert caught.value.code == 2
    assert "guesswork" in capsys.readouterr().err


def test_without_torch_it_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert command.main([]) == 2
    assert "pip install 'fanwise[torch,report]'" in capsys.readouterr().err
