"""Questions to a Dockerfile instead of a build: its checks, its targets, what a target takes. No daemon is needed
but for a context that lies elsewhere, or is an archive: it gives the Dockerfile out of that.

Where one answers it is asked for the variables of base images; undefined ones are not told where nobody knows.
"""

import binascii
import os
import sys

from carrack.cli.build_context import REMOTE, ignored
from carrack.cli.command import write, write_error
from carrack.cli.exit import Exit
from carrack.cli.render.table import write_columns
from carrack.client import document
from carrack.client.transport import quote
from carrack.dockerfile import answers, checks, file, outline
from carrack.dockerfile.ignore import Ignored
from carrack.dockerfile.problem import DockerfileError
from carrack.errors import CarrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from carrack.cli.command import Session
    from carrack.dockerfile.checks import Breach
    from carrack.dockerfile.file import Dockerfile
    from carrack.dockerfile.problem import Place

CALLS = ("check", "outline", "targets")
_RULER = "-" * 20
_CONTEXT = 2


def answer(
    session: "Session", call: str, source: str, dockerfile: str, given: "Mapping[str, str]", target: str,
    lent: "Sequence[str]" = (), headers: "Sequence[tuple[str, str]]" = (),
) -> int:  # fmt: skip
    """Answer ``check``, ``outline`` or ``targets``, with ``,format=json`` behind it or without; the exit code.

    ``source`` is the context's folder or address, or ``-`` for a Dockerfile or an archive on standard input;
    ``dockerfile`` what -f said; ``lent`` and ``headers``: agents and secrets for a repository.
    """
    kind, as_json = _kind(call)
    name, text = _read(session, source, dockerfile, lent, headers)
    try:
        parsed = file.parse(text)
        if kind == "check":
            left_out = ignored(source, name) if os.path.isdir(source) else Ignored([])
            found = checks.check(parsed, given, lambda image: _environment(session, image), left_out)
            return _checked(parsed, given, found, name, text, as_json)
        if kind == "targets":
            _targets(parsed, as_json)
        else:
            _outline(parsed, given, target, as_json)
    except DockerfileError as error:
        write_error(f"ERROR: {error}\n{excerpt(text, error.place, name)}")
        return 1
    return 0


def _kind(call: str) -> "tuple[str, bool]":
    kind, *options = call.split(",")
    if kind not in CALLS:
        raise Exit(
            1, f"--call={call} is not known: build, {', '.join(CALLS)} are, and ,format=json behind the last three"
        )
    for option in options:
        if option not in ("format=json", "format=text"):
            raise Exit(1, f"--call: {option!r} is not known: format=json and format=text are")
    return kind, "format=json" in options


def _read(
    session: "Session", source: str, dockerfile: str, lent: "Sequence[str]", headers: "Sequence[tuple[str, str]]"
) -> "tuple[str, bytes]":
    """The name by which a Dockerfile is told of, and what is in it."""
    if source.startswith(REMOTE) and not os.path.isdir(source):
        return _fetched(session, source, dockerfile, lent, headers)
    if source == "-" or dockerfile == "-":
        data = sys.stdin.buffer.read()
        if source == "-" and (
            data[257:262] == b"ustar" or data.startswith((b"\x1f\x8b", b"BZh", b"\xfd7z", b"\x28\xb5"))
        ):
            return _asked_for(session, {"dockerfile": dockerfile or None}, (data,), ())
        return "Dockerfile", data
    path = dockerfile or os.path.join(source, "Dockerfile")
    if dockerfile and not os.path.exists(path):
        path = os.path.join(source, dockerfile)
    try:
        with open(path, "rb") as opened:
            return os.path.relpath(path, source), opened.read()
    except OSError as error:
        raise Exit(1, f"unable to read the Dockerfile {path}: {error.strerror}") from None


def _fetched(
    session: "Session", remote: str, dockerfile: str, lent: "Sequence[str]", headers: "Sequence[tuple[str, str]]"
) -> "tuple[str, bytes]":
    """The same of a context that the daemon fetches."""
    query: dict[str, Any] = {"remote": remote, "dockerfile": dockerfile or None}
    if not lent:
        return _asked_for(session, query, (), headers)
    from carrack.cli.build_agents import Agents
    from carrack.cli.build_caches import Caches

    caches = Caches([], [])
    caches.agents = Agents(lent, session.environment)
    try:
        return _asked_for(session, query, (), [*headers, *caches.told(session, query)])
    finally:
        caches.close()


def _asked_for(
    session: "Session", query: "dict[str, Any]", archive: "Sequence[bytes]", headers: "Sequence[tuple[str, str]]"
) -> "tuple[str, bytes]":
    told = document.loads(session.daemon.upload("POST", "/build/dockerfile", query, archive, headers=headers).read())
    return str(told["Name"]), binascii.a2b_base64(told["Data"])


def _environment(session: "Session", image: str) -> "Collection[str] | None":
    try:
        config = session.daemon.get(f"/images/{quote(image, b'/:@')}/json")["Config"]
    except (CarrackError, OSError):
        return None
    return [word.partition("=")[0] for word in config.get("Env") or ()]


def _checked(
    parsed: "Dockerfile", given: "Mapping[str, str]", found: "list[Breach]", name: str, text: bytes, as_json: bool
) -> int:
    if as_json:
        _write_json(answers.lint(found, name))
    elif not found:
        write("Check complete, no warnings found.")
    else:
        counted = "1 warning has" if len(found) == 1 else f"{len(found)} warnings have"
        write(f"Check complete, {counted} been found!")
    for breach in [] if as_json else found:
        write(
            f"\nWARNING: {breach.rule.name} - {breach.rule.url}\n{breach.detail}\n{excerpt(text, breach.place, name)}"
        )
    if found and checks.settings(parsed, given).error:
        names = ", ".join(sorted({breach.rule.name for breach in found}))
        write_error(f"\nERROR: lint violation found for rules: {names}")
    return 1 if found else 0


def excerpt(text: bytes, place: "Place", name: str) -> str:
    """The lines around a place between two rulers, as docker shows them."""
    lines = text.decode("utf-8", "replace").split("\n")
    first, last = max(1, place.line - _CONTEXT), min(len(lines), place.end + _CONTEXT)
    shown = [
        f"{number:4} | {'>>>' if place.line <= number <= place.end else '   '} {lines[number - 1]}"
        for number in range(first, last + 1)
    ]
    return "\n".join([f"{name}:{place.line}", _RULER, *shown, _RULER])


def _targets(parsed: "Dockerfile", as_json: bool) -> None:
    if as_json:
        _write_json(answers.targets(parsed))
        return
    found = outline.targets(parsed)
    names = [f"{each.name} (default)".strip() if each.default else each.name for each in found]
    write_columns(
        [["TARGET", "DESCRIPTION"], *([name, each.description] for name, each in zip(names, found, strict=True))]
    )


def _outline(parsed: "Dockerfile", given: "Mapping[str, str]", target: str, as_json: bool) -> None:
    if as_json:
        _write_json(answers.taken(parsed, given, target))
        return
    found = outline.outline(parsed, given, target)
    if found.name:
        write(f"TARGET: {found.name}")
    if found.arguments:
        rows = [[each.name, each.value or "", each.description] for each in found.arguments]
        write("")
        write_columns([["BUILD ARG", "VALUE", "DESCRIPTION"], *rows])
    for title, taken in (("SECRET", found.secrets), ("SSH", found.keys)):
        if taken:
            write("")
            write_columns([[title, "REQUIRED"], *([each.name, "true" if each.required else ""] for each in taken)])


def _write_json(value: "Any") -> None:
    write(document.indented(value, 2))
