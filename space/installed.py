"""Models of installed packages. A published Space has the model code of kospan alone and serves none of them."""

# The model that is served if no other is named.
DEFAULT = "ko-ner"


def place_of(name: str) -> str:
    """Return the folder of an installed model, or another name as it is.

    Raises:
        FileNotFoundError: If the model belongs to a package that is not installed.
    """
    try:
        from kospan.model_names import model_path
    except ImportError:
        return name
    return model_path(name)


def is_installed(name: str) -> bool:
    """Return whether a name is that of an installed model."""
    try:
        from kospan.model_names import is_installed as is_name
    except ImportError:
        return False
    return is_name(name)
