# Nothing needs this file; it names the lines that are typed most.
.PHONY: help install test lint quickstart

help:
	@echo "make install     install kospan with what its tests need"
	@echo "make test        run the tests"
	@echo "make lint        check the style"
	@echo "make quickstart  train the quickstart"

install:
	pip install -c constraints.txt -e ".[dev]"

test:
	pytest

lint:
	ruff check .

quickstart:
	accelerate launch train.py recipes/quickstart.yaml
