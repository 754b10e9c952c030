"""Models of installed packages. A published Space has the model code of kospan alone and serves none of them."""

try:
    from kospan import installed_models
    from kospan import model_path as place_of
except ImportError:

    def installed_models() -> dict[str, str]:
        """Return no models."""
        return {}

    def place_of(name: str) -> str:
        """Return the name of a model as it is."""
        return name


# The model that is served if no other is named.
DEFAULT = "ko-ner"


def is_installed(name: str) -> bool:
    """Return whether a name is that of an installed model, which no folder of the same name hides."""
    return name in installed_models() and place_of(name) != name
