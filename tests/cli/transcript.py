"""What a command answered, as text in which everything that differs from run to run has a stable name.

Identities, addresses and host ports are numbered by first appearance, so that the same one keeps its name through a
scenario; times, ages and sizes have one name each, because what they are is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d| [+-]\d{4} [A-Z]+)?"
_UNIT = r"(?:second|minute|hour|day)s?"
_AGE = rf"(?:Less than a second|About an? (?:minute|hour)|\d+ {_UNIT})( ago)?"
_NEVER = "0001-01-01T00:00:00Z"
# A placeholder whose text may be of another length: columns beside it cannot be compared to the blank.
_CLOCK = re.compile(r"\b\d{10}\.\d{9}\b")
_ELASTIC = re.compile("<(default|time|age|size|address|port|mac)")


class Names:
    """Placeholders of one scenario, given by first appearance."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._identities: list[str] = []

    def __call__(self, kind: str, value: str) -> str:
        known = sum(key[0] == kind for key in self._given) + 1
        return self._given.setdefault((kind, value), f"<{kind} {known}>")

    def identity(self, digits: str) -> str:
        """``<id 1>`` for 64 digits, ``<id 1 short>`` for its first 12; other lengths are no identities."""
        for number, known in enumerate(self._identities, 1):
            if known.startswith(digits) or digits.startswith(known):
                if len(digits) > len(known):
                    self._identities[number - 1] = digits
                return f"<id {number}>" if len(digits) == 64 else f"<id {number} short>"
        self._identities.append(digits)
        return self.identity(digits)


class Transcript:
    """The answers of one scenario. ``render`` gives the text that is compared.

    ``same`` maps what is this run's own (a folder, a block of addresses) to what is told instead.
    """

    def __init__(self, same: dict[str, str], host: str = "", *, ports: int = 0, ours: bool = False) -> None:
        self._same = same
        self._ours = ours
        self._ports = re.compile(rf"\b{ports // 1000}(?=\d{{3}}\b)")
        self._host = host
        self._names = Names()
        self._parts: list[str] = []

    def tell(self, own: str, told: str) -> None:
        """Another thing that is this run's own."""
        self._same[own] = told

    def add(self, command: str, code: int, streams: dict[str, bytes], hide: dict[str, str], unordered: bool) -> None:
        """One command and its answer; ``hide`` maps further patterns to what is to stand for them."""
        told = _CLOCK.sub("<moment>", self._placed(command))
        told = re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", lambda found: self._names.identity(found[0]), told)
        lines = [f"$ docker {told}", f"exit {code}"]
        for stream, data in streams.items():
            text = self._stable(data.decode("utf-8", "replace"), hide)
            lines += _marked(stream, text, unordered)
        self._parts.append("\n".join(lines))

    def note(self, what: str, told: list[str]) -> None:
        """Facts that no command tells."""
        self._parts.append("\n".join([f"[{what}]", *(self._stable(text, {}) for text in told)]))

    def render(self) -> str:
        return "\n\n".join(self._parts) + "\n"

    def _placed(self, text: str) -> str:
        for own, told in self._same.items():
            text = text.replace(own, told)
        text = self._ports.sub("42", text)
        return text.replace(self._host, "<host>") if self._host else text

    def _stable(self, text: str, hide: dict[str, str]) -> str:
        text = self._placed(text)
        if self._ours:  # our command line calls itself by its own name where docker's tells its own
            for own, theirs in (("carrack", "docker"), ("Carrack", "Docker"), ("CARRACK", "DOCKER")):
                text = text.replace(own, theirs)
        for pattern, placeholder in hide.items():
            text = re.sub(pattern, placeholder, text)
        for pattern, replace in _rules(self._names):
            text = re.sub(pattern, replace, text)
        if _ELASTIC.search(text):
            text = re.sub(r" {2,}", "   ", text)
            text = re.sub(r" +$", "", text, flags=re.MULTILINE)
        return text


def _rules(names: Names) -> list[tuple[str, Callable[[re.Match[str]], str]]]:
    return [
        (r"/\S+/docker-import-\d+/", lambda _: "<scratch>/"),
        (r"unix:///(?:var/run/docker|run/carrack|run/docker)\.sock", lambda _: "<default host>"),
        (_TIME, lambda found: _NEVER if found[0] == _NEVER else "<time>"),
        (_AGE, lambda found: f"<age>{found[1] or ''}"),
        (r"\b[0-9a-f]{64}\b|\b(?=[a-f]*[0-9])[0-9a-f]{12}\b", lambda found: names.identity(found[0])),
        (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", lambda found: names("mac", found[0])),
        (r"\b(?:10|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}\b", lambda found: names("address", found[0])),
        (
            r"\bf[cd][0-9a-f]{2}:(?:[0-9a-f]{1,4}:){0,6}(?::[0-9a-f]{0,4})?[0-9a-f]{0,4}",
            lambda found: names("address", found[0]),
        ),
        (r"(?<=; port )\d+(?= is free)", lambda _: "<port>"),
        (r"(?<=:)(?:3[2-9]|[45]\d|60)\d{3}\b", lambda _: "<port>"),
        (r"\b\d+(?:\.\d+)?(?:e\+\d\d)?[kKMGT]i?B\b", lambda _: "<size>"),
    ]


def _marked(stream: str, text: str, unordered: bool) -> list[str]:
    """Each line with the stream's name; control characters as they are written in programs; ``\\c`` for no newline."""
    if not text:
        return []
    lines = [_visible(line) for line in text.split("\n")]
    if lines[-1]:
        lines[-1] += "\\c"
    else:
        lines.pop()
    return [f"{stream}| {line}".rstrip() for line in (sorted(lines) if unordered else lines)]


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line.replace("\\", "\\\\"))
