"""`kospan serve`: serve models over HTTP."""


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="serve models over HTTP")
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="folder, exported folder, installed model or Hub name, or NAME=MODEL with its name in URLs",
    )
    parser.add_argument(
        "--backend", choices=("torch", "onnx"), help="default: onnx for exported folders, torch for others"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes; each loads all models (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of a forward pass (default: 1)")
    parser.add_argument(
        "--batch_tokens", type=int, help="tokens of a batch (default: as many as take 0.1 s, 256 to 2,048; GPU: 16,384)"
    )
    parser.add_argument(
        "--batch_wait", type=float, default=0.0, help="milliseconds that a batch waits for requests (default: 0)"
    )
    parser.add_argument(
        "--queue", type=int, default=256, help="requests of a worker that wait or run, else status 429 (default: 256)"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds of a request, else 504 (default: 30)")
    parser.add_argument(
        "--read_timeout", type=float, default=10.0, help="seconds to receive headers or a body, else 408 (default: 10)"
    )
    parser.add_argument(
        "--max_body", type=int, default=4 * 2**20, help="bytes of a body, else status 413 (default: 4,194,304)"
    )
    parser.add_argument(
        "--api_keys", metavar="FILE", help="file with an API key per line (also: environment variable KOSPAN_API_KEYS)"
    )
    parser.add_argument(
        "--label_studio", action="store_true", help="also serve the model as an ML backend of Label Studio"
    )
    parser.set_defaults(run=run)


def run(arguments):
    """Check models and address; the server is the callable that is returned."""
    from kospan.serving.settings import ServeSettings, check_packages, named_models, read_keys

    check_packages()
    given = vars(arguments) | {"models": named_models(arguments.models), "keys": read_keys(arguments.api_keys)}
    settings = ServeSettings(**{name: given[name] for name in ServeSettings.__dataclass_fields__})
    from kospan.serving.models import check_sources
    from kospan.serving.server import open_socket, serve

    check_sources(settings.models, settings.backend)
    bound = open_socket(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(
        f"serving {', '.join(settings.models)} on http://{host}:{bound.getsockname()[1]} as soon as they are loaded",
        flush=True,
    )
    return lambda: serve(settings, bound)
