# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The page's script files use each other's functions, and elements are drawn with `onclick` and its kind.
OXLINT := --deny-warnings --allow no-unused-vars --allow unicorn/prefer-add-event-listener

.PHONY: demo test lint gradcheck docs picture clean

demo: $(VENV)/.installed
	$(BIN)/minircnn demo --out runs/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@if [ -x $(BIN)/oxlint ]; then $(BIN)/oxlint $(OXLINT) minircnn/explain; \
		else echo "the gradient page's script is not linted: pip install oxlint"; fi
	@if [ -x $(BIN)/mypy ]; then $(BIN)/mypy; else echo "type hints are not checked: pip install mypy"; fi

gradcheck: $(VENV)/.installed
	$(BIN)/minircnn gradcheck

# The site, docs/_build/html/index.html: every example and every number on the pages is run, and a warning is an error.
# An example that ends the program would end Sphinx with it, and quietly: so both are asked for what they write last.
docs: $(VENV)/.installed
	@rm -f docs/_build/html/index.html docs/_build/doctest/output.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b doctest -d docs/_build/doctrees docs docs/_build/doctest
	@[ -f docs/_build/html/index.html ] && [ -f docs/_build/doctest/output.txt ] || \
		{ echo "error: the site was not built to its end; which page or example is the last one above?"; exit 1; }
	@echo "docs/_build/html/index.html: open it in a browser"

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "minircnn needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# The README's picture: nine of the demo's test scenes, which it has never seen, with what the detector finds on them.
picture: $(VENV)/.installed
	$(BIN)/minircnn detect runs/demo $(foreach n,1 2 3 4 5 6 7 8 9,runs/demo/scenes/test/image/00000$(n).jpg) \
		--out runs/demo/found
	$(BIN)/python tests/tools/contact_sheet.py docs/detections.jpg runs/demo/found/*.jpg

clean:
	rm -rf docs/_build docs/_examples docs/_extra docs/gallery $(VENV) .pytest_cache .ruff_cache .hypothesis build *.egg-info
