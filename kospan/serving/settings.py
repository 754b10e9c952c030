"""Settings of the server."""

import importlib.util
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

BACKENDS = ("torch", "onnx")
# Environment variable with API keys, separated by commas or white space.
KEYS_VARIABLE = "KOSPAN_API_KEYS"
SHORTEST_KEY = 16
# Environment variable that makes prometheus_client keep its values in the files of a folder, which workers share. The
# package reads it when it is imported.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class ServeSettings:
    """Settings of the server; `kospan serve` has a flag for each.

    Args:
        models: Source of each model by name: a folder, the name of an installed model, or a name on the Hub.
        backend: "torch", "onnx", or None for onnx where the source is an exported model and torch elsewhere.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        workers: Worker processes; each loads all models.
        threads: Threads of a forward pass.
        batch_tokens: Tokens of a batch; None chooses as many as a CPU runs in 0.1 s, from 256 to 2,048, and 16,384 on a
            GPU.
        batch_wait: Milliseconds that a batch below this number waits for other requests.
        queue: Requests of a worker that wait or run at most; further ones get status 429.
        timeout: Seconds from a complete request to its response; after them it gets status 504.
        read_timeout: Seconds in which the headers of a request, and then its body, have to arrive, else status 408.
        max_body: Bytes of a body at most, else status 413.
        keys: API keys; requests need one of them if there are any.
        label_studio: Whether the routes of an ML backend of Label Studio are served, for a single model.

    Raises:
        ValueError: If a value is out of range.

    >>> ServeSettings({"news": "outputs/quickstart"}, workers=2).workers
    2
    """

    models: dict[str, str]
    backend: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = 1
    batch_tokens: int | None = None
    batch_wait: float = 0.0
    queue: int = 256
    timeout: float = 30.0
    read_timeout: float = 10.0
    max_body: int = 4 * 2**20
    keys: tuple[str, ...] = field(default=(), repr=False)
    label_studio: bool = False

    def __post_init__(self):
        if not self.models:
            raise ValueError("expected a model to serve, got none; name a folder or a model on the Hub")
        if self.label_studio and len(self.models) > 1:
            raise ValueError(
                f"expected one model for label_studio, got {', '.join(self.models)}; start a server for each"
            )
        if self.backend not in (None, *BACKENDS):
            raise ValueError(f"expected backend to be one of {', '.join(BACKENDS)}, got {self.backend!r}")
        for name in ("workers", "threads", "batch_tokens", "queue", "max_body"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} to be 1 or more, got {value}; leave it out for the default")
        for name in ("timeout", "read_timeout"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"expected {name} to be a number of seconds above 0, got {getattr(self, name)}")
        if not 0 <= self.batch_wait < float("inf"):
            raise ValueError(f"expected batch_wait to be 0 or more milliseconds, got {self.batch_wait}")
        if not 0 <= self.port < 2**16:
            raise ValueError(
                f"expected port to be a number from 0 to {2**16 - 1}, got {self.port}; 8000 is the default"
            )


def check_packages() -> None:
    """Check that the packages of the extra "serve" are installed.

    Raises:
        ImportError: If one is missing.
    """
    for name in ("fastapi", "uvicorn", "httptools", "prometheus_client"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(f'expected the package {name} for kospan serve, found none; pip install "kospan[serve]"')


def named_models(words: list[str]) -> dict[str, str]:
    """Return the sources of models by name.

    Args:
        words: Folders, installed models or Hub names, each alone or as `NAME=SOURCE`. Without a name a folder has its
            last part, another model its whole name.

    Raises:
        ValueError: If a name cannot be part of a URL, or is used twice.

    >>> named_models(["outputs/quickstart", "news=outputs/other"])
    {'quickstart': 'outputs/quickstart', 'news': 'outputs/other'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, source = word.partition("=")
        if not equals or os.path.isdir(word):
            is_hub_name = _NAME.fullmatch(word) and not os.path.isdir(word)
            name, source = word if is_hub_name else Path(word).resolve().name, word
        if not source:
            raise ValueError(f"expected a folder or a Hub name after {name}=, got nothing; write {name}=FOLDER")
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"expected a name of ASCII letters, digits, dots, hyphens and underscores for {source}, got {name!r}; "
                f"write NAME={source}"
            )
        if name in found:
            raise ValueError(
                f"expected different names, got {name!r} for {found[name]} and {source}; write NAME=SOURCE"
            )
        found[name] = source
    return found


def read_keys(path: str | os.PathLike | None) -> tuple[str, ...]:
    """Read API keys from a file with one key per line, and from the environment variable KOSPAN_API_KEYS.

    Args:
        path: The file; empty lines and lines that begin with `#` are ignored. None reads the variable alone.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no key, or a key is too short or has characters that a header cannot hold.
    """
    keys = re.split(r"[\s,]+", os.environ.get(KEYS_VARIABLE, ""))
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"expected a file with API keys at {path}, found none; write one key per line")
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        own = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not own:
            raise ValueError(f"expected an API key per line in {path}, got none; write one, or remove --api_keys")
        keys += own
    keys = tuple(dict.fromkeys(key for key in keys if key))
    for key in keys:
        if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                f"expected API keys of at least {SHORTEST_KEY} printable ASCII characters without spaces, got one of "
                f"{len(key)}; create one with `openssl rand -hex 32`"
            )
    return keys
