# Short names for frequent commands; nothing else depends on this file.
.PHONY: help install test lint docs quickstart

help:
	@echo "make install     install kospan with the requirements of its tests"
	@echo "make test        run the tests"
	@echo "make lint        check style and spelling"
	@echo "make docs        build the documentation"
	@echo "make quickstart  train the quickstart model"

install:
	pip install -c constraints.txt -e ".[dev,docs]"

test:
	pytest

lint:
	ruff check .
	codespell

docs:
	mkdocs build --strict

quickstart:
	accelerate launch train.py recipes/quickstart.yaml
