"""The server as an application of Ray Serve, for clusters."""

from ray import serve

from kospan.serving.app import create_app
from kospan.serving.settings import ServeSettings


def application(models: dict[str, str], num_replicas: int = 1, **settings) -> serve.Application:
    """Build a Ray Serve application with the routes of `kospan serve`.

    Args:
        models: Source of each model by name, readable on every node.
        num_replicas: Replicas; each loads all models.
        **settings: Other fields of `ServeSettings`. Address and workers have no effect: Ray has its own.

    >>> serve.run(application({"news": "outputs/quickstart"}))  # doctest: +SKIP
    """
    chosen = ServeSettings(models, **settings)

    @serve.deployment(name="kospan", num_replicas=num_replicas, max_ongoing_requests=2 * chosen.queue)
    @serve.ingress(lambda: create_app(chosen))
    class Kospan:
        """A replica."""

    return Kospan.bind()
