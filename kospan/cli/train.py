"""`kospan train`: train a model from a recipe."""

from kospan.cli.errors import print_error
from kospan.files import SpaceError


def add_parser(commands) -> None:
    """Add the command, whose flags `kospan.flags` parses."""
    commands.add_parser("train", help="train a model from a recipe; `kospan train --help` lists the settings")


def run(words: list[str]):
    """Check the recipe; the training itself is the callable that is returned."""
    from kospan.flags import from_command_line

    recipe = from_command_line(words)
    if recipe is None:
        return None
    from kospan.run import prepare

    prepared = prepare(recipe)
    return lambda: _train(prepared, recipe.output_dir)


def _train(prepared: tuple, output_dir: str) -> int:
    """Exit status of a training; an error that is a bug keeps its traceback."""
    from safetensors import SafetensorError

    from kospan.run import fit
    from kospan.training.saving import is_out_of_space

    resume = "pass --resume_from_checkpoint to continue from the last complete checkpoint"
    restart = "or --overwrite_output_dir to start again"
    try:
        fit(*prepared)
    except ConnectionError as error:  # A push failed; the training itself is complete.
        print_error(str(error))
        return 1
    except KeyboardInterrupt:
        print_error(f"stopped by Ctrl-C; {resume} in {output_dir}, if there is one, {restart}")
        return 130
    except (MemoryError, FloatingPointError, SpaceError) as error:
        print_error(f"{str(error) or type(error).__name__}; {resume} in {output_dir}, if there is one")
        return 1
    except (OSError, RuntimeError, SafetensorError) as error:
        if not is_out_of_space(error):
            raise
        print_error(
            f"expected free space on the disk of {output_dir}, got none while saving; free some, then {resume}, "
            f"{restart}"
        )
        return 1
    return 0
