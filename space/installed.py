"""Models of installed packages. A published Space has the model code of kospan alone and serves none of them."""

import kospan

# The model that is served if no other is named.
DEFAULT = "ko-ner"


def place_of(name: str) -> str:
    """Return the folder of an installed model, or another name as it is.

    Raises:
        FileNotFoundError: If the model belongs to a package that is not installed.
    """
    return kospan.model_path(name) if hasattr(kospan, "model_path") else name


def is_installed(name: str) -> bool:
    """Return whether a name is that of an installed model."""
    return hasattr(kospan, "installed_models") and name in kospan.installed_models() and place_of(name) != name
