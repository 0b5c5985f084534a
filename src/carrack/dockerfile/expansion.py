"""Commands with their variables replaced, for those instructions and fields in which the language does that.

All of one instruction sees the values from before it. Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from carrack.dockerfile import commands as c
from carrack.dockerfile.heredoc import opening
from carrack.dockerfile.mounts import Mount
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.words import Lexer, WordError

_Taken = TypeVar("_Taken", bound=c.Transfer)


def expand(command: c.Command, lexer: Lexer, values: Mapping[str, str]) -> c.Command:
    """``command`` with quotes and variables done; what has none comes back as it is. ``lexer.unset`` collects names.

    Raises DockerfileError for a word that cannot be read or a variable that must be set and is not.
    """
    rule = _RULES.get(type(command))
    if rule is None:
        return command
    try:
        return rule(command, lexer, values)
    except WordError as error:
        raise DockerfileError(f"failed to process {command.text!r}: {error}", command.place) from None


def _pairs(command: c.Env | c.Label | c.Arg, lexer: Lexer, values: Mapping[str, str]) -> c.Command:
    def one(pair: c.Pair) -> c.Pair:
        value = None if pair.value is None else lexer.word(pair.value, values)
        return c.Pair(lexer.word(pair.key, values), value, pair.legacy)

    return replace(command, pairs=tuple(one(pair) for pair in command.pairs))


def _transfer(command: _Taken, lexer: Lexer, values: Mapping[str, str]) -> _Taken:
    def source(text: str) -> str:
        return text if opening(text, lexer.escape) else lexer.word(text, values)

    return replace(
        command,
        sources=tuple(source(text) for text in command.sources),
        destination=lexer.word(command.destination, values),
        inline=tuple(
            doc.with_content(lexer.text(doc.content, values)) if doc.expand else doc for doc in command.inline
        ),
        chown=lexer.word(command.chown, values),
        chmod=lexer.word(command.chmod, values),
        exclude=tuple(lexer.word(text, values) for text in command.exclude),
    )  # fmt: skip


def _add(command: c.Add, lexer: Lexer, values: Mapping[str, str]) -> c.Add:
    return replace(_transfer(command, lexer, values), checksum=lexer.word(command.checksum, values))


def _run(command: c.Run, lexer: Lexer, values: Mapping[str, str]) -> c.Run:
    def mount(each: Mount) -> Mount:
        return replace(
            each,
            target=lexer.word(each.target, values),
            source=lexer.word(each.source, values),
            origin=lexer.word(each.origin, values),
            id=lexer.word(each.id, values),
            env=lexer.word(each.env, values),
        )

    return replace(command, mounts=tuple(mount(each) for each in command.mounts)) if command.mounts else command


def _expose(command: c.Expose, lexer: Lexer, values: Mapping[str, str]) -> c.Expose:
    return replace(command, ports=tuple(port for word in command.ports for port in lexer.words(word, values)))


def _volume(command: c.Volume, lexer: Lexer, values: Mapping[str, str]) -> c.Volume:
    return replace(command, paths=tuple(lexer.word(path, values) for path in command.paths))


def _user(command: c.User, lexer: Lexer, values: Mapping[str, str]) -> c.User:
    return replace(command, user=lexer.word(command.user, values))


def _workdir(command: c.Workdir, lexer: Lexer, values: Mapping[str, str]) -> c.Workdir:
    return replace(command, path=lexer.word(command.path, values))


def _stopsignal(command: c.Stopsignal, lexer: Lexer, values: Mapping[str, str]) -> c.Stopsignal:
    return replace(command, signal=lexer.word(command.signal, values))


def _from(command: c.From, lexer: Lexer, values: Mapping[str, str]) -> c.From:
    return replace(command, base=lexer.word(command.base, values), platform=lexer.word(command.platform, values))


_RULES: dict[type[c.Command], Callable[..., c.Command]] = {
    c.Add: _add,
    c.Arg: _pairs,
    c.Copy: _transfer,
    c.Env: _pairs,
    c.Expose: _expose,
    c.From: _from,
    c.Label: _pairs,
    c.Run: _run,
    c.Stopsignal: _stopsignal,
    c.User: _user,
    c.Volume: _volume,
    c.Workdir: _workdir,
}
