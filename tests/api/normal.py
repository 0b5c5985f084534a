"""What of an answer is compared: everything but what must differ between two daemons or two runs.

Ids, times, addresses, processes and sizes on disk become marks such as `<time>`; what earlier answers named becomes
its name (`{web}`), so that an id in the wrong place is seen. Zero stays zero, and the zero time stays the zero time.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tests.api.wire import Answer

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ZERO_TIME = "0001-01-01T00:00:00Z"
_FIXED_TIMES = ("2023-11-14T22:13:20Z", "2023-11-15T22:13:20Z", _ZERO_TIME, "1970-01-01T00:00:00Z")
_PATTERNS = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hex64>"),
    (re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b"), "<mac>"),
    (re.compile(r"\bfd[0-9a-f]{2}(:[0-9a-f]{1,4}){2,3}::[0-9a-f]*(/\d+)?"), "<unique local>"),
    (re.compile(r"\b(?!0\.0\.0\.0|127\.)\d{1,3}(\.\d{1,3}){3}(/\d+)?\b"), "<ip>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<hex12>"),
    (re.compile(r"\b(Less than a|About a|\d+) (second|minute)s?( ago)?"), "<while>"),
)
# Numbers that belong to the run: marked where they are not zero.
_NUMBERS = {
    "Pid", "IPPrefixLen", "NFd", "NGoroutines", "NEventsListener", "MemTotal", "NCPU", "time", "timeNano",
}  # fmt: skip
_SIZES = {"SizeRootFs", "SizeRw", "Size", "SharedSize", "LayersSize", "SpaceReclaimed", "VirtualSize"}
_SMALL = 10_000
_CREATED = 1_600_000_000
_FIXED_SECONDS = (1_700_000_000, 1_700_086_400)
_DROPPED = {"date", "content-length", "transfer-encoding"}
_ENGINE = re.compile(r"^(Docker|Carrack)/\S+ ")


class Normaliser:
    """`names` are what earlier answers gave, `root` is the daemon's data root."""

    def __init__(self, names: Mapping[str, str], root: str) -> None:
        self._names = sorted(
            ((v, k) for k, v in names.items() if len(v) >= 12 and k != "now"), key=lambda p: -len(p[0])
        )
        self._root = root

    def answer(self, answer: Answer) -> dict[str, Any]:
        """Status, headers, how the body ends, and the body as what it is."""
        return {**self._head(answer), **self._body(answer)}

    def types(self, answer: Answer) -> dict[str, Any]:
        """The same with types in the place of values."""
        return {**self._head(answer), "json": _types(json.loads(answer.body))}

    def stream(self, data: bytes) -> Any:
        """Bytes after a head: frames of Docker's multiplexed stream, or text."""
        frames = _frames(data)
        if frames is None:
            return self.text(data.decode("utf-8", "backslashreplace"))
        return [[stream, self.text(text)] for stream, text in frames]

    def text(self, text: str) -> str:
        """A string without what differs."""
        for value, name in self._names:
            text = text.replace(value, "{" + name + "}")
            if len(value) == 64:
                text = text.replace(value[:12], "{" + name + "|12}")
        if self._root:
            text = text.replace(self._root, "<root>")
        text = _TIME.sub(lambda m: m[0] if m[0] in _FIXED_TIMES else "<time>", text)
        for pattern, mark in _PATTERNS:
            text = pattern.sub(mark, text)
        return text

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value without what differs."""
        if isinstance(value, dict):
            return {self.text(k): self.value(v, k) for k, v in value.items()}
        if isinstance(value, list):
            found = [self.value(item, key) for item in _sorted(value)]
            return sorted(found) if key == "ExecIDs" else found
        if isinstance(value, str):
            return "<number>" if key in ("Processes", "execDuration") and value.isdigit() else self.text(value)
        if isinstance(value, int) and not isinstance(value, bool) and self._runs(key, value):
            return "<number>"
        return value

    def _runs(self, key: str, value: int) -> bool:
        """Whether a number belongs to the run. Small sizes are those of files that are the same everywhere."""
        return (
            (key in _NUMBERS and value != 0)
            or (key in _SIZES and value > _SMALL)
            or (key == "Created" and value > _CREATED and value not in _FIXED_SECONDS)
        )

    def _head(self, answer: Answer) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for name, value in answer.headers:
            if name.lower() not in _DROPPED:
                headers[name] = _ENGINE.sub("Engine/<version> ", self._header(name, value))
        ending = {"chunked": "framed", "length": "framed"}.get(answer.framing, answer.framing)
        return {"status": answer.status, "headers": dict(sorted(headers.items())), "body": ending}

    def _header(self, name: str, value: str) -> str:
        if name.lower() == "x-docker-container-path-stat":
            document = json.loads(base64.b64decode(value))
            return json.dumps(self.value(document))
        return self.text(value)

    def _body(self, answer: Answer) -> dict[str, Any]:
        if not answer.body:
            return {}
        kind = answer.header("Content-Type").split(";")[0]
        if kind == "application/json":
            values = _values(answer.body)
            if values is None:
                return {"text": self.text(answer.body.decode())}
            return {"json": self.value(values[0])} if len(values) == 1 else {"stream": self.value(values)}
        if kind in ("application/x-tar", "application/octet-stream"):
            return {"tar": self.value(_members(answer.body))}
        return {"text": self.stream(answer.body)}


def _sorted(items: list[Any]) -> list[Any]:
    """What a daemon tells in no order of its own (mount points, volumes, networks, images on disk), in one."""
    if items and all(isinstance(item, dict) and "PrivatePort" in item for item in items):
        return sorted(items, key=lambda item: (item["PrivatePort"], str(item)))
    if items and all(isinstance(item, dict) and "timeNano" in item for item in items):
        return _stops(items)
    for key in ("Destination", "Mountpoint", "Scope", "RepoTags"):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return sorted(
                items, key=lambda item: str(item.get("Destination") or item.get("Name") or item.get("RepoTags"))
            )
    return items


def _stops(events: list[Any]) -> list[Any]:
    """dockerd's `stop` and `die` of one container overtake each other."""
    events = list(events)
    for i, (one, other) in enumerate(pairwise(events)):
        if (one["Action"], other["Action"]) == ("stop", "die"):
            events[i : i + 2] = [other, one]
    return events


def _values(data: bytes) -> list[Any] | None:
    decoder, text, position, values = json.JSONDecoder(), data.decode(), 0, []
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError:
            return None
        values.append(value)
        while position < len(text) and text[position] in "\r\n":
            position += 1
    return values


def _frames(data: bytes) -> list[list[Any]] | None:
    """Neighbouring frames of one stream joined; None when it is no multiplexed stream."""
    frames: list[list[Any]] = []
    while data:
        if len(data) < 8 or data[0] > 3 or data[1:4] != b"\0\0\0":
            return None
        size = int.from_bytes(data[4:8], "big")
        text = data[8 : 8 + size].decode("utf-8", "backslashreplace")
        if frames and frames[-1][0] == data[0]:
            frames[-1][1] += text
        else:
            frames.append([data[0], text])
        data = data[8 + size :]
    return frames


def _members(data: bytes) -> list[list[Any]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [[m.name, m.type.decode(), oct(m.mode), m.linkname, m.uid] for m in archive]


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        # Whether a disk was touched depends on what the page cache holds.
        return {key: item is None if key.endswith("_recursive") else _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(value[0])] if value else []
    return {bool: "bool", int: "number", float: "number", str: "string"}.get(type(value))
