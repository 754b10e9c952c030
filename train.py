"""Trains a model: `accelerate launch train.py RECIPE.yaml [--flag value ...]`; `--help` lists the settings."""

from kospan.recipe import from_command_line

if __name__ == "__main__":
    recipe = from_command_line()
    if recipe is not None:
        from kospan.run import run

        run(recipe)
