# make demo: the environment, a trained model, its scores and some sentences. make test: the tests. make bench: the numbers.
# Each makes .venv when it is missing. PYTHON=python3.12 chooses another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-4.57 bench

.venv/ready: pyproject.toml constraints.txt
	@echo "Making .venv; the packages take some minutes."
	$(PYTHON) -m venv .venv
	@# torch first and alone, so that pip takes the build it is told to and the others find it there
	$(BIN)/python -m pip install -q "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev,trl]"
	touch $@

demo: .venv/ready
	$(BIN)/python train.py recipes/demo.yaml
	$(BIN)/python -m moda.data.samples demo-data/test.parquet runs/samples 8
	$(BIN)/moda describe runs/samples --model runs/demo

test: .venv/ready
	@# tests/inference starts and kills processes of its own, which do not go well with those of -n
	$(BIN)/python -m pytest -n auto --ignore=tests/inference
	$(BIN)/python -m pytest tests/inference

# The Hub files on transformers 4.57, each version reading what the other saved.
test-4.57: .venv/ready .venv-4.57/ready
	MODA_OTHER_PYTHON=$(CURDIR)/$(BIN)/python .venv-4.57/bin/python -m pytest -n auto tests/test_*.py

.venv-4.57/ready: pyproject.toml constraints-4.57.txt
	$(PYTHON) -m venv .venv-4.57
	.venv-4.57/bin/python -m pip install -q "torch==$$(sed -n 's/^torch==//p' constraints-4.57.txt)"
	.venv-4.57/bin/python -m pip install -q -c constraints-4.57.txt -e ".[peft]" pytest pytest-xdist
	touch $@

bench: .venv/ready
	$(BIN)/python benchmarks/parameters.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/readme.py
