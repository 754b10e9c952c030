"""Publish a model: `python push_to_hub.py OUTPUT_DIR --repo_id user/name`; `--help` lists the flags."""

import sys

from kospan.cli import main

if __name__ == "__main__":
    sys.exit(main(["push", *sys.argv[1:]]))
