# Two commands matter: `make parity` and `make test`. Each makes its own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: parity test lint bench clean

parity: $(VENV)/.installed
	$(BIN)/python -m parity

test: $(VENV)/.installed lint
	$(BIN)/pytest -n 2 --dist worksteal src tests parity
	$(BIN)/python -m parity

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) parity/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
