# make demo: the environment, a trained model, its scores and some sentences. make test: the tests. make bench: the numbers.
# Each makes .venv when it is missing. PYTHON=python3.12 chooses another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench

.venv/ready: pyproject.toml constraints.txt
	@echo "Making .venv; the packages take some minutes."
	$(PYTHON) -m venv .venv
	@# torch first and alone: asked for by another package, pip would bring a build with gigabytes of CUDA
	$(BIN)/python -m pip install -q "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev,trl]"
	touch $@

demo: .venv/ready
	$(BIN)/python train.py recipes/demo.yaml
	$(BIN)/python -m moda.data.samples demo-data/test.parquet runs/demo/samples 8
	$(BIN)/moda describe runs/demo/samples --model runs/demo

test: .venv/ready
	$(BIN)/python -m pytest

bench: .venv/ready
	$(BIN)/python benchmarks/parameters.py
	$(BIN)/python benchmarks/readme.py
