"""Docker's plugin for builds as a verb of ours: ``buildx``, ``bake``, and ``build`` where an alias says so.

Source: docker's "CLI plugins" and "Configuration files": where plugins lie, ``cliPluginsExtraDirs``, ``aliases``.
"""

import os
import sys

from carrack.client.context import DEFAULT_HOST, configuration, named_by
from carrack.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from carrack.cli.command import Session

BUILDER = "buildx"
_PLACES = tuple(f"/usr/{place}/docker/cli-plugins" for place in ("local/lib", "local/libexec", "lib", "libexec"))
#: verbs that become the plugin's, and what they are there
_BAKE = (("bake",), ("bake",))
_BUILDS = ((("builder",), ()), (("build",), ("build",)), (("image", "build"), ("build",)))


def forwarded(session: "Session", words: "Sequence[str]") -> "list[str] | None":
    """The plugin's name and its words where the user's words are not for us, else None. Raises InvalidArgument."""
    if words[0] == BUILDER:
        return list(words)
    alias = _alias(session)
    for own, theirs in (_BAKE, *(_BUILDS if alias else ())):
        if tuple(words[: len(own)]) == own:
            return [alias or BUILDER, *theirs, *words[len(own) :]]
    return None


def run(session: "Session", given: "Sequence[str]", words: "Sequence[str]") -> "NoReturn":
    """Become the plugin that is the first word; ``given`` are the flags before it. Raises NotFound."""
    path, environment = find(session, words[0]), _environment(session)
    sys.stdout.flush()
    os.execve(path, [path, *given, *words], environment)


def find(session: "Session", name: str) -> str:
    """The plugin's program. Raises NotFound, saying where it was looked for."""
    directory = configuration(session.config, session.environment)
    places = [*session.settings.plugin_places(), f"{directory}/cli-plugins", *_PLACES]
    for place in places:
        path = f"{place}/docker-{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise NotFound(f"{session.name} is docker's plugin {name}, and there is no docker-{name} in {', '.join(places)}")


def _alias(session: "Session") -> str:
    """What ``builder`` stands for, "" for itself."""
    if session.environment.get("DOCKER_BUILDKIT", "").lower() in ("0", "false", "f"):
        return ""
    from carrack.cli.verbs import GROUPS, TOP

    aliases = session.settings.aliases()
    for name, target in aliases.items():
        if name != "builder":
            raise InvalidArgument(f'not allowed to alias "{name}" (allowed: builder)')
        if target in TOP or target in GROUPS or not target.isalnum():
            raise InvalidArgument(f'not allowed to alias with builtin "{target}" as target')
    return aliases.get("builder", "")


def _environment(session: "Session") -> "Mapping[str, str]":
    """Ours, with the daemon that we would have spoken to: the flags themselves go with the words."""
    environment = {**session.environment, "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND": sys.argv[0]}
    if not (session.host or named_by(None, session.context, environment, session.config)):
        environment["DOCKER_HOST"] = environment.get("CARRACK_HOST") or environment.get("DOCKER_HOST") or DEFAULT_HOST
    return environment
