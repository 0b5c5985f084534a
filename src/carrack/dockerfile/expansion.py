"""Commands with their variables replaced, for those instructions and fields in which the language does that.

All of one instruction sees the values from before it. Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from carrack.dockerfile import commands as c
from carrack.dockerfile.heredoc import opening
from carrack.dockerfile.mounts import Mount
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.words import Lexer, WordError

_Taken = TypeVar("_Taken", bound=c.Transfer)
_Given = TypeVar("_Given", bound="c.Command | c.Pair")


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
        return _changed(pair, key=lexer.word(pair.key, values), value=value)

    return _changed(command, pairs=tuple(one(pair) for pair in command.pairs))


def _transfer(command: _Taken, lexer: Lexer, values: Mapping[str, str]) -> _Taken:
    def source(text: str) -> str:
        return text if opening(text, lexer.escape) else lexer.word(text, values)

    return _changed(
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
    return _changed(_transfer(command, lexer, values), checksum=lexer.word(command.checksum, values))


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
    return _changed(command, ports=tuple(port for word in command.ports for port in lexer.words(word, values)))


def _volume(command: c.Volume, lexer: Lexer, values: Mapping[str, str]) -> c.Volume:
    return _changed(command, paths=tuple(lexer.word(path, values) for path in command.paths))


def _user(command: c.User, lexer: Lexer, values: Mapping[str, str]) -> c.User:
    return _changed(command, user=lexer.word(command.user, values))


def _workdir(command: c.Workdir, lexer: Lexer, values: Mapping[str, str]) -> c.Workdir:
    return _changed(command, path=lexer.word(command.path, values))


def _stopsignal(command: c.Stopsignal, lexer: Lexer, values: Mapping[str, str]) -> c.Stopsignal:
    return _changed(command, signal=lexer.word(command.signal, values))


def _from(command: c.From, lexer: Lexer, values: Mapping[str, str]) -> c.From:
    return _changed(command, base=lexer.word(command.base, values), platform=lexer.word(command.platform, values))


def _changed(given: _Given, **fields: Any) -> _Given:
    """``given`` with these fields; itself if it has them, as where nothing was to be replaced."""
    same = all(getattr(given, name) == value for name, value in fields.items())
    return given if same else replace(given, **fields)


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
