# make demo: the environment, a trained model, its scores and some sentences. make test: the tests. make bench: the numbers.
# Each makes .venv when it is missing. PYTHON=python3.12 chooses another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-4.57 matrix docs-check notebook bench

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
	MODA_OTHER_PYTHON=$(CURDIR)/$(BIN)/python .venv-4.57/bin/python -m pytest -n auto tests/test_*.py tests/hub/test_card_code.py tests/hub/test_upload*.py tests/hub/test_hub_client.py

.venv-4.57/ready: pyproject.toml constraints-4.57.txt
	$(PYTHON) -m venv .venv-4.57
	.venv-4.57/bin/python -m pip install -q "torch==$$(sed -n 's/^torch==//p' constraints-4.57.txt)"
	.venv-4.57/bin/python -m pip install -q -c constraints-4.57.txt -e ".[peft]" pytest pytest-xdist
	touch $@

# The Hub files on the oldest and the newest versions that they are for; makes an environment for each in .venv-matrix/.
matrix: .venv/ready
	$(BIN)/python benchmarks/compatibility.py

# The commands of README.md and docs/, run on small stand-ins; their Python, also on transformers 4.57, with what only servers need.
docs-check: .venv/ready .venv-4.57/ready
	$(BIN)/python -m pytest -n auto tests/check_docs.py
	.venv-4.57/bin/python -m pip install -q -c constraints-4.57.txt -e ".[peft,trl,serve,onnx]"
	.venv-4.57/bin/python -m pytest tests/test_readme.py tests/clients tests/inference/test_serve.py

# Guide 1 as a notebook, from start to end; it writes into a temporary folder.
notebook: .venv/ready
	$(BIN)/jupyter execute --timeout=600 notebooks/fine_tune.ipynb

bench: .venv/ready
	$(BIN)/python benchmarks/parameters.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/readme.py
