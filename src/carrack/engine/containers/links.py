"""Links between containers, Docker's oldest way to find each other: words, variables and names. Pure.

A link leads from a container to another, its *target*, under an alias. On the default network it gives the variables
and a line of /etc/hosts below; on networks of the user's own it is one more name that only this container resolves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from carrack.errors import Internal

_NOT_TOLD = ("HOME", "PATH")


def parse(text: str) -> tuple[str, str]:
    """The target and the alias of ``db:database``, ``/db:/web/database`` or ``db``.

    Raises Internal (500, as with Docker) when it is malformed.
    """
    if not text:
        raise Internal("empty string specified for links")
    target, colon, alias = text.partition(":")
    if ":" in alias:
        raise Internal(f"bad format for links: {text}")
    if not colon or not alias:
        return target, target.rpartition("/")[2]
    return target, alias.rpartition("/")[2]


def told(target: str, own: str, alias: str) -> str:
    """A link as inspect shows it; ``target`` and ``own`` are names of containers."""
    return f"/{target}:/{own}/{alias}"


def environment(own: str, alias: str, address: str, env: Iterable[str], exposed: Iterable[str]) -> list[str]:
    """The variables by which a container finds the target of its link.

    ``own`` is its own name; ``address``, ``env`` and ``exposed`` (``80/tcp``) are the target's. TCP ports come first.
    """
    prefix = alias.upper().replace("-", "_")
    ports = sorted((_port(key) for key in exposed), key=lambda port: (port[1] != "tcp", port[1], port[0]))
    words = []
    if ports:
        number, protocol = ports[0]
        words.append(f"{prefix}_PORT={protocol}://{address}:{number}")
    for run in _runs(ports):
        for number, protocol in run:
            words += _of_port(f"{prefix}_PORT_{number}_{protocol.upper()}", address, number, protocol)
    for run in _runs(ports):
        if len(run) > 1:
            words += _of_run(prefix, address, run)
    words.append(f"{prefix}_NAME=/{own}/{alias}")
    for word in env:
        name, equals, value = word.partition("=")
        if equals and name not in _NOT_TOLD:
            words.append(f"{prefix}_ENV_{name}={value}")
    return words


def _port(key: str) -> tuple[int, str]:
    number, _, protocol = key.partition("/")
    return int(number), protocol


def _runs(ports: Sequence[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The ports in runs of one protocol without a gap."""
    runs: list[list[tuple[int, str]]] = []
    for number, protocol in ports:
        if runs and runs[-1][-1] == (number - 1, protocol):
            runs[-1].append((number, protocol))
        else:
            runs.append([(number, protocol)])
    return runs


def _of_port(name: str, address: str, number: int, protocol: str) -> list[str]:
    return [
        f"{name}={protocol}://{address}:{number}",
        f"{name}_ADDR={address}",
        f"{name}_PORT={number}",
        f"{name}_PROTO={protocol}",
    ]


def _of_run(prefix: str, address: str, run: Sequence[tuple[int, str]]) -> list[str]:
    (first, protocol), (last, _) = run[0], run[-1]
    name = f"{prefix}_PORT_{first}_{protocol.upper()}"
    return [
        f"{name}_START={protocol}://{address}:{first}",
        f"{name}_PORT_START={first}",
        f"{name}_END={protocol}://{address}:{last}",
        f"{name}_PORT_END={last}",
    ]


def hosts(alias: str, name: str, hostname: str, addresses: Iterable[str]) -> list[tuple[str, str]]:
    """Lines of /etc/hosts (address, names) for a target: by alias, its host's name, and its own if it is another."""
    names = f"{alias} {hostname}" if alias == name else f"{alias} {hostname} {name}"
    return [(address, names) for address in addresses if address]
