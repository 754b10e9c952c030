"""The command line: `kospan COMMAND ...`, one module per command. Importing it loads neither torch nor transformers."""

from kospan.cli.main import main

__all__ = ["main"]
