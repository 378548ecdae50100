# `make` alone lists what there is to make.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# the stack that .venv holds already; OneDL's, the maintained one, for a new one
STACK ?= $(or $(shell cat .venv/stack 2> /dev/null),onedl)
# the first Python that is 3.10 to 3.12; PYTHON=... names another
SUPPORTED = import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.10; do \
	$$python -c '$(SUPPORTED)' 2> /dev/null && echo $$python && exit; done; \
	echo python3)
VENV_PYTHON = .venv/bin/python
# one thread per test process, and no GPU: the same numbers everywhere
TEST_ENV = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
TEST = $(TEST_ENV) $(VENV_PYTHON) -m pytest -n 2 --dist worksteal --durations 15

.PHONY: help env demo test test-all test-core lint format clean

help:
	@echo 'make demo      run FreeKD from end to end on two small data sets'
	@echo 'make test      run the tests'
	@echo 'make test-all  run the tests and those that make test leaves out'
	@echo 'make test-core test mmfreekd.frequency with the torch of PYTHON'
	@echo 'make env       set up .venv, which the above do by themselves: about'
	@echo '               5 minutes. STACK=onedl or STACK=openmmlab'
	@echo 'make lint      check the style'
	@echo 'make format    fix the style'
	@echo 'make clean     remove build products and caches; keeps .venv,'
	@echo '               data and work_dirs'

env:
	@.ci/setup_env.sh $(STACK) $(PYTHON)

demo: env
	@$(VENV_PYTHON) -m benchmarks.demo

test: env
	@$(TEST)

test-all: env
	@$(TEST) -m ''

# needs torch, numpy, pytest and PyWavelets, and nothing of OpenMMLab
test-core:
	@$(TEST_ENV) PYTHONPATH=.:tests:.ci $(PYTHON) -m pytest --noconftest \
		-p seeded tests/test_frequency tests/test_properties.py

lint: env
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .

format: env
	@$(VENV_PYTHON) -m ruff check --fix .
	@$(VENV_PYTHON) -m ruff format .

clean:
	rm -rf build dist *.egg-info mmfreekd/.mim .pytest_cache .ruff_cache
	find mmfreekd tests tools configs benchmarks -name __pycache__ -prune -exec rm -rf {} +
