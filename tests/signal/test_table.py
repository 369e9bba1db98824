"""Tables: every figure in its place, within the width, also where there is none."""

import math

import pytest

from fanwise.signal.comparison import Comparison
from fanwise.signal.table import comparison_table, scientific, table_of
from tests.signal.synthetic import DECADE, chain, trace_of

INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize(
    ("decades", "text"),
    [
        (0, "1.00"),
        (math.log10(0.9994), "0.999"),
        (math.log10(0.9996), "1.00"),
        (math.log10(12.34), "12.3"),
        (math.log10(99.96), "100"),
        (math.log10(999.4), "999"),
        (math.log10(999.7), "1.0e3"),
        (-2, "0.0100"),
        (-2.01, "9.8e-3"),
        (3, "1.0e3"),
        (-5, "1.0e-5"),
        (math.log10(9.96e7), "1.0e8"),
        (-400, "1.0e-400"),
        (400.5, "3.2e400"),
        (INF, "inf"),
        (-INF, "0"),
        (NAN, "-"),
    ],
)
def test_numbers_from_their_logarithms(decades, text):
    assert scientific(decades * DECADE) == text


@pytest.mark.parametrize("decades", [x / 7 for x in range(-70, 70)])
def test_the_number_shown_is_the_number(decades):
    shown = scientific(decades * DECADE)
    assert float(shown) == pytest.approx(10**decades, rel=0.051)
    assert len(shown) <= 7


def _rows(table, title="#"):
    """The rows below each title, split at white space."""
    blocks = [block.splitlines() for block in table.split("\n\n")]
    return [
        [line.split() for line in lines[1:]] for lines in blocks if lines[0].split()[0] == title
    ]


def test_a_row_for_each_layer_and_a_column_for_each_rule():
    rules = {
        "one": (trace_of([0, -1], [-3, 0]), trace_of([0, -3], [-5, 0])),
        "two": (trace_of([0, 1], [0, 0]),) * 2,
    }
    forward, backward = _rows(comparison_table(rules))
    # Geometric means over two seeds.
    assert forward == [["1", "layer_0", "1.00", "1.00"], ["2", "layer_1", "0.0100", "10.0"]]
    assert backward == [["1", "layer_0", "1.0e-4", "1.00"], ["2", "layer_1", "1.00", "1.00"]]


def test_what_is_not_finite_or_zero_is_shown_as_such():
    rules = {"a": (trace_of([NAN, INF, -INF], [-INF, NAN, INF]),), "b": (chain(3, 0.0),)}
    forward, backward = _rows(comparison_table(rules))
    assert [row[2] for row in forward] == ["NaN", "inf", "0"]
    assert [row[2] for row in backward] == ["0", "NaN", "inf"]
    assert [row[3] for row in forward] == ["1.00"] * 3


def test_one_seed_of_zeros_or_nan_is_not_averaged_away():
    rules = {"a": (chain(2, 0.0), trace_of([-INF, NAN])), "b": (chain(2, 0.0),) * 2}
    assert [row[2] for row in _rows(comparison_table(rules))[0]] == ["0", "NaN"]


def test_theory_stands_beside_where_there_is_any():
    layers = {1: {"log_expected": math.log(0.5)}}
    rules = {"a": (chain(2, 0.0, layers=layers),), "b": (chain(2, 0.0),)}
    table = comparison_table(rules)
    forward, backward = _rows(table)
    assert [row[2] for row in forward] == ["1.00", "1.00/0.500"]
    assert [row[3] for row in forward] == ["1.00", "1.00"]
    assert "output, measured/theory" in table
    assert "/" not in "".join(map("".join, backward))


@pytest.mark.parametrize("rules", [1, 5, 12])
@pytest.mark.parametrize("width", [80, 120])
def test_sixty_layers_keep_within_the_width(rules, width):
    layers = {
        at: {"path": f"encoder/stage_{at // 20}/block_{at}/conv", "log_expected": -at * DECADE}
        for at in range(60)
    }
    traces = {
        f"a_rule_number_{index}": (chain(60, -1.1, -1.1, layers=layers),) for index in range(rules)
    }
    table = comparison_table(traces, width)
    assert max(map(len, table.splitlines())) <= width
    blocks = _rows(table)
    assert all(len(rows) == 60 for rows in blocks)  # no row is broken in two
    shown = [row[2:] for rows in blocks for row in rows if row[0] == "60"]
    assert sum(map(len, shown)) == 2 * rules
    if rules == 5 and width == 120:
        assert len(blocks) == 2


def test_very_long_names_are_broken_and_nothing_is_lost():
    name = "a_module_with_a_name" * 5
    table = comparison_table({"a": (chain(2, 0.0, layers={1: {"path": name}}),)})
    assert max(map(len, table.splitlines())) <= 120
    assert name in table.split("backward")[0].replace("\n", "").replace(" ", "").replace("1.00", "")


def test_what_goes_into_a_normalization_is_marked_and_explained():
    layers = {0: {"is_normalized": True}}
    table = comparison_table({"a": (chain(2, 0.0, layers=layers),)})
    assert "layer_0* " in table
    assert "layer_1 " in table
    assert table.endswith("* the output goes into a normalization, which divides its scale out")
    assert "*" not in comparison_table({"a": (chain(2, 0.0),)})


def test_the_widest_spread_over_the_seeds_is_named():
    rules = {"a": (trace_of([0, 0]), trace_of([0, 1])), "b": (chain(2, 0.0),) * 2}
    assert "by a factor of 10.0 forward, with a at layer_1" in comparison_table(rules)
    assert "geometric means over 2 seeds" in comparison_table(rules)
    assert "seeds" not in comparison_table({"a": (chain(2, 0.0),)})


def test_a_trace_prints_as_a_table():
    layers = {
        0: {
            "path": "conv",
            "kind": "Conv2d",
            "shape": (8, 16, 16, 4),
            "mean": -0.25,
            "kurtosis": 3.01,
            "effective_rank": 7.26,
            "idle": 0.5,
            "idle_units": 0.001,
            "log_ratio": NAN,
            "log_weight_gradient": 2 * DECADE,
        },
        1: {"kind": None, "source": "Mine", "call": 1, "shape": (), "log_ratio": -DECADE},
    }
    trace = trace_of([0, -1, NAN], [-2, -INF, 0], layers=layers)
    (rows,) = _rows(table_of(trace))
    assert " ".join(rows[0]) == "1 conv Conv2d 8x16x16x4 -0.25 1.00 - 3 7.3 50%/1% 0.0100 100"
    assert " ".join(rows[1]) == "2 layer_1 (call 2) Mine scalar - 0.100 0.100 - - - 0 -"
    assert rows[2][:5] == ["3", "layer_2", "Linear", "32x64", "-"]
    assert rows[2][5] == "NaN"
    assert str(trace) == trace.table() == table_of(trace)
    assert "input E[x²] 1.00, output -" in str(trace)


def test_columns_of_which_nothing_is_known_are_left_out():
    header = table_of(chain(3, 0.0)).splitlines()[0].split()
    assert header == ["#", "layer", "kind", "shape", "E[y²]", "E[g²]"]
    with_theory = table_of(chain(3, 0.0, layers={1: {"log_expected": 0.0}})).splitlines()[0]
    assert with_theory.split() == ["#", "layer", "kind", "shape", "E[y²]", "theory", "E[g²]"]


def test_a_mean_that_is_rounding_is_zero():
    layers = {0: {"mean": 1e-8}, 1: {"mean": 1e-3}}
    (rows,) = _rows(table_of(chain(2, 0.0, layers=layers)))
    assert [row[4] for row in rows] == ["0", "0.001"]


def test_a_comparison_prints_its_table_and_what_it_recommends():
    compared = Comparison({"a": (chain(6, 0.0),), "b": (chain(6, -0.5),)})
    assert str(compared) == f"{compared.table()}\n\n{compared.recommend()}"
    assert compared.recommend().best == ("a",)
    assert compared.recommend(0, 1).matters is False


def test_no_layers():
    compared = Comparison({"a": (trace_of([]),)})
    assert not compared.recommend().matters
    assert "layer" in str(compared)
    assert "layer" in str(trace_of([]))


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ({}, "at least one rule"),
        ({"a": ()}, "traces of rule 'a' must be at least one"),
        ({"a": (chain(3, 0.0),), "b": (chain(4, 0.0),)}, "those of rule 'b' differ: 4 and 3"),
        (
            {"a": (chain(2, 0.0), chain(2, 0.0, layers={1: {"path": "other"}}))},
            "those of rule 'a' differ: .*other.*layer_1",
        ),
        (
            {"a": (chain(2, 0.0),), "b": (chain(2, 0.0, layers={1: {"shape": (1, 2)}}),)},
            "trace one model on inputs of one shape",
        ),
    ],
)
def test_traces_that_do_not_belong_together_are_refused(traces, message):
    with pytest.raises(ValueError, match=message):
        Comparison(traces)
