"""From statements to typed commands: which instructions there are, with which flags, in which forms.

Source: Dockerfile reference; the words of refusals begin like Docker's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from carrack.dockerfile import commands as c
from carrack.dockerfile import flags, forms, mounts, problem, suggest
from carrack.dockerfile.flags import Flags, Kind
from carrack.dockerfile.heredoc import Heredoc, opening
from carrack.dockerfile.lines import Statement, split_keyword
from carrack.errors import InvalidArgument
from carrack.model.units import NANOSECONDS, parse_duration

_NO_TRIGGERS = ("FROM", "MAINTAINER")
_TWO = "at least two arguments, but only one was provided. Destination could not be determined"
_NETWORKS = ("default", "none", "host")
_SECURITY = ("sandbox", "insecure")


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement on its way to a command: flags read, arguments not."""

    statement: Statement
    flags: Flags
    rest: str
    escape: str

    @property
    def name(self) -> str:
        return self.statement.name

    def common(self) -> tuple[problem.Place, str]:
        return self.statement.place, self.statement.text


@dataclass(frozen=True, slots=True)
class _Instruction:
    read: Callable[[_Written], c.Command]
    flags: dict[str, Kind]


def command(statement: Statement, escape: str = "\\") -> c.Command:
    """The command of one statement. Raises DockerfileError."""
    try:
        return _command(statement, escape)
    except problem.DockerfileError:
        raise
    except InvalidArgument as error:
        place = statement.place
        raise problem.DockerfileError(str(error), problem.Place(place.line, place.end, statement.column)) from None


def _command(statement: Statement, escape: str) -> c.Command:
    instruction = _INSTRUCTIONS.get(statement.name)
    if instruction is None:
        meant = suggest.nearest(statement.name, _INSTRUCTIONS)
        meant = meant.lower() if statement.keyword.islower() else meant
        hint = f" (did you mean {meant}?)" if meant else ""
        place = problem.Place(statement.place.line, statement.place.end, 1)
        raise problem.DockerfileError(f"unknown instruction: {statement.keyword}{hint}", place)
    words, rest = flags.split(statement.rest, escape)
    written = _Written(statement, Flags(instruction.flags, words), rest, escape)
    if not rest and statement.name not in ("CMD", "ENTRYPOINT"):
        counts = "exactly one argument" if statement.name in _SINGLE else "at least one argument"
        counts = "either one or three arguments" if statement.name == "FROM" else counts
        counts = _TWO if statement.name in ("ADD", "COPY") else counts
        raise InvalidArgument(f"{statement.name} requires {counts}")
    return instruction.read(written)


def _from(written: _Written) -> c.From:
    words = written.rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise InvalidArgument("FROM requires either one or three arguments")
    name = words[2] if len(words) == 3 else ""
    if name and not _is_stage_name(name.lower()):
        raise InvalidArgument(
            f"invalid name for build stage: {name!r}, name can't start with a number or contain symbols"
        )
    platform = written.flags.one("platform")
    return c.From(*written.common(), words[0], name, platform, written.statement.comments)


def _is_stage_name(name: str) -> bool:
    return name[0].isascii() and name[0].isalpha() and all(x.isascii() and (x.isalnum() or x in "-_.") for x in name)


def _arg(written: _Written) -> c.Arg:
    return c.Arg(
        *written.common(), forms.optional_pairs("ARG", written.rest, written.escape), written.statement.comments
    )


def _env(written: _Written) -> c.Env:
    return c.Env(*written.common(), forms.pairs("ENV", written.rest, written.escape))


def _label(written: _Written) -> c.Label:
    return c.Label(*written.common(), forms.pairs("LABEL", written.rest, written.escape))


def _run(written: _Written) -> c.Run:
    given = written.flags
    return c.Run(
        *written.common(),
        forms.command(written.rest),
        written.statement.heredocs,
        tuple(mounts.parse(text) for text in given.many("mount")),
        _one_of("network", given.one("network"), _NETWORKS),
        _one_of("security", given.one("security"), _SECURITY),
        given.many("device"),
    )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value and value not in known:
        raise InvalidArgument(f"unsupported {name} mode {value!r}: {', '.join(known)} are")
    return value or known[0]


def _transferred(written: _Written) -> tuple[tuple[str, ...], str, tuple[Heredoc, ...]]:
    """Sources, destination and inline files."""
    words = forms.json_words(written.rest)
    words = tuple(written.rest.split()) if words is None else words
    if len(words) < 2:
        raise InvalidArgument(f"{written.name} requires {_TWO}")
    if opening(words[-1], written.escape):
        raise InvalidArgument(f"{written.name} cannot use a here-document as its destination: {words[-1]}")
    return words[:-1], words[-1], tuple(doc.stripped() for doc in written.statement.heredocs)


def _copy(written: _Written) -> c.Copy:
    sources, destination, inline = _transferred(written)
    given = written.flags
    return c.Copy(
        *written.common(), sources, destination, inline, given.one("chown"), given.one("chmod"),
        bool(given.truth("link")), given.many("exclude"), given.one("from"), bool(given.truth("parents")),
    )  # fmt: skip


def _add(written: _Written) -> c.Add:
    sources, destination, inline = _transferred(written)
    given = written.flags
    return c.Add(
        *written.common(), sources, destination, inline, given.one("chown"), given.one("chmod"),
        bool(given.truth("link")), given.many("exclude"), given.one("checksum"), given.truth("keep-git-dir"),
        given.truth("unpack"),
    )  # fmt: skip


def _cmd(written: _Written) -> c.Cmd:
    return c.Cmd(*written.common(), _line(written.rest))


def _entrypoint(written: _Written) -> c.Entrypoint:
    return c.Entrypoint(*written.common(), _line(written.rest))


def _line(text: str) -> c.Words:
    """Like a command, but nothing at all is an empty list (which resets what the base image has)."""
    return forms.command(text) if text else c.Words((), shell=False)


def _shell(written: _Written) -> c.Shell:
    words = forms.json_words(written.rest)
    if not words:
        raise InvalidArgument(f"SHELL requires the arguments to be in JSON form, not: {written.rest}")
    return c.Shell(*written.common(), words)


def _expose(written: _Written) -> c.Expose:
    return c.Expose(*written.common(), tuple(written.rest.split()))


def _volume(written: _Written) -> c.Volume:
    paths = tuple(path.strip() for path in forms.listed(written.rest))
    if not paths:
        raise InvalidArgument("VOLUME requires at least one argument")
    if "" in paths:
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return c.Volume(*written.common(), paths)


def _single(written: _Written) -> str:
    return written.rest


def _user(written: _Written) -> c.User:
    return c.User(*written.common(), _single(written))


def _workdir(written: _Written) -> c.Workdir:
    return c.Workdir(*written.common(), _single(written))


def _stopsignal(written: _Written) -> c.Stopsignal:
    if len(written.rest.split()) != 1:
        raise InvalidArgument("STOPSIGNAL requires exactly one argument")
    return c.Stopsignal(*written.common(), _single(written))


def _maintainer(written: _Written) -> c.Maintainer:
    return c.Maintainer(*written.common(), _single(written))


def _onbuild(written: _Written) -> c.Onbuild:
    inner = written.statement
    keyword, rest = split_keyword(written.rest)
    if keyword.upper() == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if keyword.upper() in _NO_TRIGGERS:
        raise InvalidArgument(f"{keyword.upper()} isn't allowed as an ONBUILD trigger")
    trigger = Statement(keyword, rest, inner.place, inner.column, inner.heredocs)
    lines = [written.rest]
    for heredoc in inner.heredocs:
        lines.append(f"{heredoc.content}{heredoc.name}")
    return c.Onbuild(*written.common(), "\n".join(lines), command(trigger, written.escape))


def _healthcheck(written: _Written) -> c.Healthcheck:
    kind, rest = split_keyword(written.rest)
    if kind.upper() == "NONE":
        if rest:
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        return c.Healthcheck(*written.common(), None)
    if kind.upper() != "CMD":
        raise InvalidArgument(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    line = forms.command(rest)
    if not rest or not line.words:
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    return c.Healthcheck(
        *written.common(),
        line,
        interval=_time(written.flags, "interval"),
        timeout=_time(written.flags, "timeout"),
        start_period=_time(written.flags, "start-period"),
        start_interval=_time(written.flags, "start-interval"),
        retries=_retries(written.flags.one("retries")),
    )


def _time(given: Flags, name: str) -> int:
    value = parse_duration(given.one(name)) if given.one(name) else 0
    if value < 0 or 0 < value < NANOSECONDS // 1000:
        raise InvalidArgument(f'Interval "{name}" cannot be less than 1ms')
    return value


def _retries(text: str) -> int:
    try:
        value = int(text or 0)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if value < 0:
        raise InvalidArgument(f"--retries cannot be negative ({text})")
    if value >= 1 << 31:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


_ONE, _MANY, _TRUTH = Kind.ONE, Kind.MANY, Kind.TRUTH
_TRANSFER = {"chown": _ONE, "chmod": _ONE, "link": _TRUTH, "exclude": _MANY}
_CHECK = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), _ONE)
_SINGLE = ("USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER")
_INSTRUCTIONS: dict[str, _Instruction] = {
    "ADD": _Instruction(_add, {**_TRANSFER, "checksum": _ONE, "keep-git-dir": _TRUTH, "unpack": _TRUTH}),
    "ARG": _Instruction(_arg, {}),
    "CMD": _Instruction(_cmd, {}),
    "COPY": _Instruction(_copy, {**_TRANSFER, "from": _ONE, "parents": _TRUTH}),
    "ENTRYPOINT": _Instruction(_entrypoint, {}),
    "ENV": _Instruction(_env, {}),
    "EXPOSE": _Instruction(_expose, {}),
    "FROM": _Instruction(_from, {"platform": _ONE}),
    "HEALTHCHECK": _Instruction(_healthcheck, _CHECK),
    "LABEL": _Instruction(_label, {}),
    "MAINTAINER": _Instruction(_maintainer, {}),
    "ONBUILD": _Instruction(_onbuild, {}),
    "RUN": _Instruction(_run, {"mount": _MANY, "network": _ONE, "security": _ONE, "device": _MANY}),
    "SHELL": _Instruction(_shell, {}),
    "STOPSIGNAL": _Instruction(_stopsignal, {}),
    "USER": _Instruction(_user, {}),
    "VOLUME": _Instruction(_volume, {}),
    "WORKDIR": _Instruction(_workdir, {}),
}
INSTRUCTIONS = tuple(_INSTRUCTIONS)
