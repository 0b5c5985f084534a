"""Docker's endpoints that this engine does not build yet: refused by what they do, not as if they had never existed."""

from __future__ import annotations

from carrack.api.app import Handler, Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.errors import CarrackError, NotFound, NotSupported, Unavailable

_SWARM = "swarm mode is not supported by this version of Carrack"
_PLUGINS = "plugins are not supported by this version of Carrack"
_CHECKPOINTS = "checkpoints are not supported by this version of Carrack"
_PROFILES = (
    "profiles of Go's runtime are not to be had here; SIGUSR1 writes the stacks of all threads to the daemon's log"
)
# What every Docker engine outside a swarm answers, so that clients take their usual way.
NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)

_REFUSED = {
    ("GET", "/debug/vars"): _PROFILES,
    ("GET", "/debug/pprof/"): _PROFILES,
    ("GET", "/debug/pprof/{name}"): _PROFILES,
    ("POST", "/swarm/init"): _SWARM,
    ("POST", "/swarm/join"): _SWARM,
    ("GET", "/plugins/privileges"): _PLUGINS,
    ("POST", "/plugins/pull"): _PLUGINS,
    ("POST", "/plugins/create"): _PLUGINS,
    ("GET", "/containers/{id}/checkpoints"): _CHECKPOINTS,
    ("POST", "/containers/{id}/checkpoints"): _CHECKPOINTS,
}
_MANAGER_ONLY = (
    "/swarm", "/swarm/unlockkey", "/nodes", "/services", "/tasks", "/secrets", "/configs",
)  # fmt: skip


def routes() -> list[Route]:
    """The route table."""
    refused = [Route(method, path, _refusing(NotSupported(text))) for (method, path), text in _REFUSED.items()]
    lists = [Route("GET", path, _refusing(Unavailable(NO_MANAGER))) for path in _MANAGER_ONLY]
    made = ("services", "secrets", "configs")
    creations = [Route("POST", f"/{name}/create", _refusing(Unavailable(NO_MANAGER))) for name in made]
    shown = [Route("GET", f"/{name}/{{id}}", _refusing(Unavailable(NO_MANAGER))) for name in (*made, "nodes", "tasks")]
    return [
        *refused, *lists, *creations, *shown,
        Route("POST", "/swarm/update", _refusing(Unavailable(NO_MANAGER))),
        Route("POST", "/swarm/unlock", _refusing(Unavailable(NO_MANAGER))),
        Route("POST", "/swarm/leave", _refusing(Unavailable("This node is not part of a swarm"))),
        Route("GET", "/plugins", _no_plugins),
        Route("GET", "/plugins/{name}/json", _no_plugin),
    ]  # fmt: skip


async def _no_plugins(request: Request) -> Response:
    return json_response([])


async def _no_plugin(request: Request) -> Response:
    raise NotFound(f'plugin "{request.path["name"]}" not found')


def _refusing(error: CarrackError) -> Handler:
    async def handler(request: Request) -> Response:
        raise type(error)(str(error))

    return handler
