# frontdesk: `make run` answers at http://127.0.0.1:7860/, `make test` tests everything.
VAR ?= var
PORT ?= 7860
BIN := .venv/bin
export FRONTDESK_VAR := $(VAR)

.PHONY: run test check bench fix clean
.DEFAULT_GOAL := run

run:  ## the demo shop in a browser
	@sh tools/setup.sh run
	@$(BIN)/frontdesk demo
	@$(BIN)/frontdesk serve --port $(PORT)

test:  ## all tests
	@sh tools/setup.sh dev
	@sh tools/chromium.sh
	@$(BIN)/python -m pytest

check:  ## style, types, arrows between folders
	@sh tools/setup.sh dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix:  ## what can be mended without thinking
	@sh tools/setup.sh dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench:  ## ratios against peers in the same run; needs some minutes
	@sh tools/setup.sh dev
	$(BIN)/python tests/benchmarks/encode_rate.py
	$(BIN)/python tests/benchmarks/import_rows.py
	$(BIN)/python tests/benchmarks/rest_load.py
	$(BIN)/python tests/benchmarks/select_speed.py
	$(BIN)/python tests/benchmarks/train_rate.py
	$(BIN)/python tests/benchmarks/serve_match.py
	$(BIN)/python tests/benchmarks/public_data.py

clean:  ## the virtual environment and the data folder
	rm -rf .venv $(VAR)
