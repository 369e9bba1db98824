"""Tables as plain text: their width, and what is shown as it is."""

import sys

import pytest

from fanwise.text_table import rendered


def test_a_table_is_no_wider_than_asked(monkeypatch):
    rows = [("a.long.name.of.a.layer" * 2, "text that can be broken anywhere at all " * 3)] * 2
    for width in (60, 100):
        text = rendered(("torch", "why"), rows, width)
        assert max(map(len, text.splitlines())) <= width
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, rendered(("torch", "why"), rows).splitlines())) <= 80


def test_a_table_shows_signs_as_they_are():
    assert "[bold]x[/bold]" in rendered(("torch",), [("[bold]x[/bold]",)])


def test_numbers_can_be_set_to_the_right():
    assert rendered(("n",), [("5",), ("10",)], right=("n",)).splitlines() == [" n", " 5", "10"]


def test_without_rich_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"pip install 'fanwise\[port\]'"):
        rendered(("n",), [], extra="port")
