"""The public names of ``fanwise.torch``."""

import inspect

import pytest

import fanwise as fw


def test_names():
    assert fw.torch.__all__ == ["layers", "record"]


@pytest.mark.parametrize("name", ["layers", "record"])
def test_sections(name):
    text = inspect.getdoc(getattr(fw.torch, name))
    assert {"Args:", "Returns:", "Raises:", "Example:"} <= set(text.splitlines())
