"""The picture: what is drawn, that nothing is dropped, covered or cut off, and the files."""

import itertools
import math
import subprocess
import sys

import pytest

from fanwise.signal.comparison import Comparison
from fanwise.signal.plot import figure_of
from fanwise.signal.plot_axis import short_names
from fanwise.signal.plot_style import styles_for
from tests.signal.synthetic import DECADE, chain, trace_of

INF, NAN = math.inf, math.nan

RULES = ("fan_in", "fan_out", "xavier", "torch_default", "flax_default")


def _rules(depth, slopes=(0.0, 0.0, -0.3, -0.8, -0.3), seeds=2, **options):
    return {
        rule: tuple(chain(depth, slope, slope, wobble=0.05 * at, **options) for at in range(seeds))
        for rule, slope in zip(RULES, slopes, strict=True)
    }


def _conv_norm(blocks):
    layers = {}
    for at in range(0, 2 * blocks, 2):
        layers[at] = {"path": f"stage/block_{at}/conv", "is_normalized": True, "kind": "Conv2d"}
        layers[at + 1] = {"path": f"stage/block_{at}/norm", "kind": "BatchNorm"}
    return {
        rule: tuple(trace_of([scale, 0.0] * blocks, layers=layers) for _ in range(2))
        for rule, scale in (("fan_in", 0.3), ("fan_out", -0.4))
    }


LONG = {at: {"path": f"encoder/layers_{at}/self_attention_block/query"} for at in range(12)}
BROKEN = {
    "fine": (chain(12, 0.0, layers=LONG),),
    "nan": (trace_of([NAN] * 12, [NAN] * 12, layers=LONG),),
    "dies": (trace_of([0.0] * 3 + [-INF] * 9, [-INF] * 11 + [0.0], layers=LONG),),
    "explodes": (trace_of([20.0 * at for at in range(11)] + [INF], layers=LONG),),
}
CASES = {
    "chain of 30": _rules(30),
    "chain of 60": _rules(60),
    "3 layers": _rules(3),
    "no layers": {"a": (trace_of([]),)},
    "ten rules": {f"rule number {at}": (chain(25, -at / 20),) for at in range(10)},
    "normalized": _conv_norm(25),
    "broken": BROKEN,
    "odd names": {
        name: (chain(3, 0.0, layers={1: {"path": "$\\bad{$"}}),)
        for name in ("_hidden", "$x^", "a long name of a rule, with words " * 3, "b" * 90, "")
    },
}


def _drawn(case):
    figure = figure_of(CASES[case] if isinstance(case, str) else case)
    figure.canvas.draw()
    return figure


def _boxes(artists, figure):
    renderer = figure.canvas.get_renderer()
    return [artist.get_window_extent(renderer) for artist in artists]


def _overlap(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > 1
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    )


@pytest.mark.parametrize("case", CASES)
def test_nothing_overlaps_and_nothing_is_cut_off(case):
    figure = _drawn(case)
    (legend,) = figure.legends
    above, below = figure.axes
    texts = [legend, figure._suptitle]
    for axes in (above, below):
        # The last is the title on the left; hidden labels have no text.
        texts += [axes.yaxis.label, axes.title, axes._left_title]
        texts += [label for label in axes.get_yticklabels() if label.get_text()]
    texts += [below.xaxis.label, *below.get_xticklabels()]
    low, high = below.get_xlim()
    shown = [text for text in texts if getattr(text, "get_text", lambda: "legend")()]
    shown = [
        text
        for text in shown
        if text not in below.get_xticklabels() or low <= text.get_position()[0] <= high
    ]
    for axes in (above, below):
        bottom, top = axes.get_ylim()
        labels = axes.get_yticklabels()
        shown = [t for t in shown if t not in labels or bottom <= t.get_position()[1] <= top]
    boxes = _boxes(shown, figure)
    page = figure.bbox
    for text, box in zip(shown, boxes, strict=True):
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, text
    for at, box in enumerate(boxes):
        for other in range(at):
            assert not _overlap(box, boxes[other]), (shown[at], shown[other])
    panels = [axes.bbox for axes in (above, below)]
    assert not any(_overlap(box, panel) for box in boxes for panel in panels)
    assert not _overlap(*panels)


def test_the_check_for_overlaps_can_fail():
    figure = _drawn("3 layers")
    figure.legends[0].set_loc("center")
    (legend,) = _boxes(figure.legends, figure)
    assert any(_overlap(legend, axes.bbox) for axes in figure.axes)


def _points(axes, color):
    """All that has been drawn of a colour with a marker, as numbers of layers and decades."""
    found = {}
    for line in axes.get_lines():
        if line.get_color() == color and line.get_transform().contains_branch(axes.transData):
            for x, y in zip(*line.get_data(), strict=True):
                if math.isfinite(y):
                    found.setdefault(round(x), set()).add(round(float(y), 6))
    return found


def test_every_layer_is_drawn_at_its_mean_of_logarithms():
    traces = {"a": (trace_of([0, 2, -7], [1, 1, 0]), trace_of([2, 2, -9], [3, 1, 0]))}
    figure = figure_of(traces)
    color = styles_for(traces)["a"].color
    forward, backward = (_points(axes, color) for axes in figure.axes)
    assert forward == {1: {1.0}, 2: {2.0}, 3: {-8.0}}
    assert backward == {1: {2.0}, 2: {1.0}, 3: {0.0}}
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(2.0)
    assert band[:, 1].min() == pytest.approx(-9.0)


def _marks(axes, mark):
    """Numbers of the layers with a mark at the edge, by colour, and the heights of the rows."""
    lines = [line for line in axes.get_lines() if line.get_marker() == mark]
    at_edge = [line for line in lines if line.get_transform() == axes.get_xaxis_transform()]
    return {line.get_color(): list(line.get_xdata()) for line in at_edge}, [
        line.get_ydata()[0] for line in at_edge
    ]


def test_what_is_not_finite_or_zero_is_marked_at_the_edge_and_named():
    figure = _drawn("broken")
    forward, backward = figure.axes
    color = {rule: style.color for rule, style in styles_for(BROKEN).items()}
    layers = list(range(1, 13))
    above, heights = _marks(forward, "x")
    assert above == {color["nan"]: layers, color["explodes"]: [12]}
    assert len(set(heights)) == 2  # a row for each rule
    assert _marks(forward, "$0$")[0] == {color["dies"]: layers[3:]}
    assert _marks(backward, "$0$")[0] == {color["dies"]: layers[:11]}
    assert _points(backward, color["dies"]) == {12: {0.0}}
    assert _points(forward, color["explodes"])[11] == {200.0}
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == [*BROKEN, "zero", "not finite"]
    assert named != [text.get_text() for text in _drawn("3 layers").legends[0].get_texts()]


def test_a_layer_that_no_line_leads_to_has_a_marker_of_its_own():
    lone = [-INF] * 12
    lone[5] = 0.0
    traces = {"lone": (trace_of(lone),), "other": (chain(12, 0.0),)}
    style = styles_for(traces)["lone"]
    axes = figure_of(traces).axes[0]
    lines = [line for line in axes.get_lines() if len(line.get_xdata())]
    (marked,) = [line for line in lines if line.get_marker() == style.marker]
    drawn = [x for x, y in zip(*marked.get_data(), strict=True) if math.isfinite(y)]
    assert drawn == [6]
    # Lines have markers at other layers only.
    (others,) = [line for line in lines if line.get_marker() == "s"]
    assert 6 in others.get_xdata()
    assert 5 not in others.get_xdata()


def test_marks_at_the_edge_cover_no_line():
    figure = _drawn("broken")
    for axes in figure.axes:
        heights = [*_marks(axes, "x")[1], *_marks(axes, "$0$")[1]]
        to_share = axes.transData + axes.transAxes.inverted()
        for line in axes.get_lines():
            if line.get_transform().contains_branch(axes.transData):
                for x, y in zip(*line.get_data(), strict=True):
                    if math.isfinite(y):
                        share = to_share.transform((x, y))[1]
                        assert all(abs(share - height) > 0.02 for height in heights)


def test_one_broken_seed_is_not_averaged_away():
    traces = {"a": (chain(4, 0.0), trace_of([0.0, NAN, -INF, 0.0]))}
    figure = figure_of(traces)
    color = styles_for(traces)["a"].color
    assert _marks(figure.axes[0], "x")[0] == {color: [2]}
    assert _marks(figure.axes[0], "$0$")[0] == {color: [3]}
    assert sorted(_points(figure.axes[0], color)) == [1, 4]


def test_layers_into_a_normalization_are_hollow_and_beside_the_line():
    figure = _drawn("normalized")
    axes = figure.axes[0]
    color = styles_for(CASES["normalized"])["fan_in"].color
    lines = [line for line in axes.get_lines() if line.get_color() == color]
    (solid,) = [line for line in lines if line.get_linestyle() == "-"]
    assert set(solid.get_ydata()) == {0.0}
    (hollow,) = [line for line in lines if line.get_markerfacecolor() == "white"]
    assert list(hollow.get_xdata()) == list(range(1, 51, 2))
    assert hollow.get_ydata() == pytest.approx([0.3] * 25)
    assert "goes into a\nnormalization" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_theory_is_dashed_where_there_is_any_and_in_the_legend():
    theory = {at: {"log_expected": -at * DECADE} for at in (0, 1, 2, 5)}
    traces = {"a": (chain(6, -1.0, layers=theory),)}
    figure = figure_of(traces)
    dark = styles_for(traces)["a"].dark
    lines = [line for line in figure.axes[0].get_lines() if line.get_color() == dark]
    dashed, strokes = sorted(lines, key=lambda line: line.get_marker() == "_")
    assert list(dashed.get_ydata())[:3] == pytest.approx([0, -1, -2])
    assert math.isnan(dashed.get_ydata()[3])
    assert list(strokes.get_ydata()) == pytest.approx([-5])
    assert "theory" in [text.get_text() for text in figure.legends[0].get_texts()]
    plain = figure_of({"a": (chain(6, -1.0),)})
    assert "theory" not in [text.get_text() for text in plain.legends[0].get_texts()]


def test_lines_that_coincide_stay_visible():
    """Wider below, and each rule's markers at layers of its own."""
    styles = styles_for(RULES)
    widths = [style.width for style in styles.values()]
    assert widths == sorted(widths, reverse=True)
    assert min(a - b for a, b in itertools.pairwise(widths)) > 0.7
    assert (
        len({(style.color, style.marker) for style in styles_for(map(str, range(10))).values()})
        == 10
    )
    axes = figure_of(_rules(30, slopes=[0.0] * 5)).axes[0]
    places = [
        {round(x) for x in line.get_xdata()}
        for line in axes.get_lines()
        if line.get_marker() in {style.marker for style in styles.values()}
        and len(line.get_xdata())
    ]
    assert len(places) == 5
    assert not any(one & other for at, one in enumerate(places) for other in places[:at])


def test_axes_are_labelled_in_decades():
    figure = _drawn("chain of 30")
    forward, backward = figure.axes
    assert forward.get_ylabel() == "second moment of the output,\n$E[y^2]$ (log scale)"
    assert "gradient" in backward.get_ylabel()
    assert backward.get_xlabel() == "layer, in order of execution"
    assert [t.get_text() for t in backward.get_xticklabels()][:2] == ["layer_0", "layer_1"]
    ticks = [text.get_text() for text in forward.get_yticklabels()]
    assert "$10^{0}$" in ticks
    assert 3 <= len(ticks) <= 10
    assert _drawn("chain of 60").axes[1].get_xlabel().startswith("number of the layer")


def test_two_hundred_decades_have_few_ticks():
    figure = _drawn({"a": (chain(200, -1.0, -1.0),)})
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert high - low > 199
        assert 4 <= sum(low <= tick <= high for tick in axes.get_yticks()) <= 9


def test_odd_names_are_shown_as_they_are():
    figure = _drawn("odd names")
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown[:2] == ["_hidden", r"\$x^"]
    assert len(shown) == 5
    assert max(len(line) for text in shown for line in text.splitlines()) <= 24
    assert figure.axes[1].get_xticklabels()[1].get_text() == r"\$\bad{\$"


def test_noise_does_not_fill_the_panel():
    low, high = figure_of({"a": (trace_of([0.0, 0.001, 0.0]),)}).axes[0].get_ylim()
    assert high - low >= 2.0


def test_long_names_keep_their_ends_and_get_numbers():
    names = ["short", "encoder/layers_11/self_attention_block/query"]
    assert short_names(names) == ["1 short", "2 encoder/layer…n_block/query"]
    assert short_names(["short", "other"]) == ["short", "other"]


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")],
)
def test_files(suffix, start, tmp_path):
    path = tmp_path / f"signal{suffix}"
    Comparison(_rules(3)).plot(path, title="A plain net")
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["signal.jpg", "signal", "signal.png.txt"])
def test_other_suffixes_are_refused_before_anything_is_drawn(name, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png, \.svg, \.pdf, got "):
        Comparison({"a": (chain(2, 0.0),)}).plot(str(tmp_path / name))


def test_the_title():
    assert figure_of(_rules(3), "mine").get_suptitle() == "mine"
    assert figure_of(_rules(3)).get_suptitle().endswith("over 2 seeds)")
    assert figure_of(_rules(3, seeds=1)).get_suptitle() == "Signal at initialization (one seed)"


def test_without_matplotlib_the_way_out_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'fanwise\[report\]'"):
        Comparison({"a": (chain(2, 0.0),)}).plot(tmp_path / "signal.png")


def test_pyplot_and_its_state_are_left_alone(tmp_path):
    code = (
        "import sys; from fanwise.signal.plot import plot;"
        "from tests.signal.synthetic import chain;"
        "assert 'matplotlib' not in sys.modules;"
        f"plot({{'a': (chain(2, 0.0),)}}, {str(tmp_path / 'signal.png')!r});"
        "assert 'matplotlib.figure' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
