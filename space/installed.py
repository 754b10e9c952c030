"""Models of installed packages. A published Space has the model code of kospan alone and serves none of them."""

# The model that is served if no other is named.
DEFAULT = "ko-ner"

try:
    from kospan.model_names import is_installed
    from kospan.model_names import model_path as place_of
except ImportError:

    def place_of(name: str) -> str:
        """Return the name of a model as it is."""
        return name

    def is_installed(name: str) -> bool:
        """Return False."""
        return False


__all__ = ["DEFAULT", "is_installed", "place_of"]
