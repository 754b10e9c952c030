"""Train a model: `accelerate launch train.py RECIPE.yaml [--flag value ...]`; `--help` lists the settings."""

import sys

from kospan.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
