# Everything runs in .venv, which is made on the first call and again only when the pins or the project file change.
PYTHON ?= python3
READY := .venv/.ready

.PHONY: table test gpu chaos lint bench format clean

table: $(READY)  ## the quick table: six models, how far each remembers (about ten minutes on two cores)
	.venv/bin/spanbench table quick

test: $(READY)  ## the test suite, a file a core, and the branches of the engine that it covers
	.venv/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile --cov

gpu: $(READY)  ## what needs CUDA: one and several devices, NCCL, bf16, kernels, a throughput table
	.venv/bin/python -m pytest -m gpu tests/gpu -rs -s

chaos: $(READY)  ## a table killed at thirty random moments: parent, worker, both (a quarter of an hour)
	SPANBENCH_KILLS=30 .venv/bin/python -m pytest tests/benchmark/launch/test_finish.py -k killed

lint: $(READY)  ## ruff and pyright
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright

bench: $(READY)  ## speed, as ratios and medians of interleaved runs
	.venv/bin/python -m tests.bench

format: $(READY)  ## rewrite the sources in the house format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

clean:  ## remove the environment (runs/ stays)
	rm -rf .venv
