"""Changes to an image's run configuration, typed as Dockerfile instructions: `commit --change`, `import --change`.

Text in, a new RunConfig out. The instructions are those that Docker takes here; they are read as in a Dockerfile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy

from carrack.dockerfile import commands as c
from carrack.dockerfile import expansion, lines, reading
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.words import Lexer
from carrack.engine.images import configuring
from carrack.errors import InvalidArgument
from carrack.oci.image_config import RunConfig

_TAKEN = (
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip


def apply(config: RunConfig, changes: Iterable[str]) -> RunConfig:
    """`config` with each instruction applied in order. Raises InvalidArgument naming what is wrong."""
    result = deepcopy(config)
    command_given = False
    try:
        for change in changes:
            for statement in _statements(change):
                command = _expanded(reading.command(statement), result)
                result = configuring.after(result, command)
                command_given = command_given or isinstance(command, c.Cmd)
                if isinstance(command, c.Entrypoint) and not command_given:
                    result.pop("Cmd", None)  # the arguments were meant for another entry point
    except DockerfileError as error:
        # the two builders of Docker differ in one letter, and this is the older one's work
        raise InvalidArgument(error.message.replace("invalid containerPort", "Invalid containerPort", 1)) from None
    return result


def _statements(change: str) -> Iterator[lines.Statement]:
    written = [line.strip() for line in change.splitlines()]
    if not any(line and not line.startswith("#") for line in written):
        return
    for statement in lines.parse(change).statements:
        if statement.name not in _TAKEN:
            raise InvalidArgument(f"{statement.keyword} is not a valid change command")
        yield statement


def _expanded(command: c.Command, config: RunConfig) -> c.Command:
    return expansion.expand(command, Lexer(), configuring.environment(config))
