"""Tables as wide as where there is no terminal, whoever runs the tests."""

import pytest


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
