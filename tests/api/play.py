"""Plays scenarios on a daemon and gives what it answered, in a form that two daemons' answers can be compared in."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

from tests.api import images
from tests.api.normal import Normaliser
from tests.api.steps import (
    NOTHING,
    Alive,
    Head,
    Move,
    Other,
    Pause,
    Read,
    Rest,
    Scenario,
    Send,
    Shut,
    Step,
    Talk,
)
from tests.api.wire import Answer, Closed, Wire

_PING = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
_PATIENCE = 15.0

Document = dict[str, Any]


class Player:
    """A daemon to play scenarios on. `names` holds what the answers gave."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.names: dict[str, str] = {}
        self.requests = 0
        self._root = ""

    def prepare(self) -> None:
        """Load the images that the scenarios use, afresh."""
        for name in images.NAMES:
            self.request(Step("", "DELETE", f"/images/{quote(name, safe='')}?force=1"))
        for archive in images.archives():
            answer = self.request(
                Step("load", "POST", "/images/load", body=archive, headers={"Content-Type": "application/x-tar"})
            )
            assert answer.status == 200, answer.body
            assert b"errorDetail" not in answer.body, answer.body
        info = json.loads(self.request(Step("info", "GET", "/info")).body)
        self._root = info["DockerRootDir"]
        assert not info["Containers"], "the daemon has containers of its own: record on an empty one"

    def play(self, scenario: Scenario) -> dict[str, Document]:
        """The answers of all steps by step and version; everything that was made is removed again."""
        self.names = {"now": f"{time.time():.9f}"}
        result: dict[str, Document] = {}
        try:
            for step in scenario:
                if isinstance(step, Talk):
                    result[step.name] = {"": self._talk(step)}
                elif step.hidden:
                    answer = self._settled(step, step.versions[0])
                    assert answer.status < 400, f"{step.name}: {answer.status} {answer.body!r}"
                    self._save(step, answer)
                else:
                    result[step.name] = {version: self._step(step, version) for version in step.versions}
        finally:
            self.clean()
        return result

    def clean(self) -> None:
        """Remove all containers, volumes, networks and images but those of `prepare`."""
        for container in json.loads(self.request(Step("", "GET", "/containers/json?all=1")).body):
            self.request(Step("", "DELETE", f"/containers/{container['Id']}?force=1&v=1"))
        for volume in json.loads(self.request(Step("", "GET", "/volumes")).body)["Volumes"] or []:
            self.request(Step("", "DELETE", f"/volumes/{volume['Name']}?force=1"))
        for network in json.loads(self.request(Step("", "GET", "/networks")).body):
            self.request(Step("", "DELETE", f"/networks/{network['Id']}"))
        for image in json.loads(self.request(Step("", "GET", "/images/json")).body):
            names = [*image["RepoTags"], *([] if image["RepoTags"] else [image["Id"]])]
            for name in names:
                if name not in images.NAMES:
                    self.request(Step("", "DELETE", f"/images/{quote(name, safe='')}?force=1"))
        present = {
            name for row in json.loads(self.request(Step("", "GET", "/images/json")).body) for name in row["RepoTags"]
        }
        if not set(images.NAMES) <= present:
            self.prepare()

    def request(self, step: Step, version: str = "1.51") -> Answer:
        """One request on a connection of its own; the answer as it came."""
        self.requests += 1
        with Wire(self.socket) as wire:
            wire.send(self._bytes(step, version))
            try:
                return wire.answer(step.method)
            except (TimeoutError, Closed) as error:
                raise AssertionError(f"{step.name}: {step.method} {step.target}: {error or 'silence'}") from error

    def _step(self, step: Step, version: str) -> Document:
        answer = self._settled(step, version)
        self._save(step, answer)
        normal = Normaliser(self.names, self._root)
        return normal.types(answer) if step.types else normal.answer(answer)

    def _settled(self, step: Step, version: str) -> Answer:
        end = time.monotonic() + _PATIENCE
        while True:
            answer = self.request(step, version)
            if not step.eventually or self._filled(step.eventually).encode() in answer.body:
                return answer
            assert time.monotonic() < end, f"{step.name}: no {step.eventually!r} in {answer.body!r}"
            time.sleep(0.02)

    def _save(self, step: Step, answer: Answer) -> None:
        for name, path in step.save.items() if answer.status < 300 else ():
            value = json.loads(answer.body)
            for key in path.split("."):
                value = value[int(key) if key.isdigit() else key]
            self.names[name] = str(value)

    def _talk(self, talk: Talk) -> Document:
        heard: list[Any] = []
        with Wire(self.socket) as wire:
            for move in talk.moves:
                try:
                    said = self._move(wire, move)
                except Closed as closed:
                    said = "closed" if not closed.held else f"closed after {closed.held.decode('latin-1')}"
                except TimeoutError:
                    said = "silence"
                if said is not None:
                    heard.append(said)
        return {"talk": heard}

    def _move(self, wire: Wire, move: Move) -> Any:
        normal = Normaliser(self.names, self._root)
        match move:
            case Send(data):
                self.requests += 1
                wire.send(self._filled(data.decode("latin-1")).encode("latin-1"))
            case Read(method):
                return normal.answer(wire.answer(method))
            case Head():
                return normal.answer(wire.head())
            case Rest():
                return normal.stream(wire.rest())
            case Shut():
                wire.shut()
            case Pause(seconds):
                time.sleep(seconds)
            case Other(step):
                return self._step(step, step.versions[0])
            case Alive():
                wire.send(_PING)
                return f"serves on: {wire.answer().status}"
        return None

    def _bytes(self, step: Step, version: str) -> bytes:
        target = self._filled(step.target)
        target = target[1:] if target.startswith("=") else f"/v{version}{target}"
        headers = {"Host": "docker", **step.headers}
        body = step.body or b""
        if step.json is not NOTHING:
            body = self._filled(json.dumps(step.json)).encode()
            headers.setdefault("Content-Type", "application/json")
        if body or step.method in ("POST", "PUT"):
            headers.setdefault("Content-Length", str(len(body)))
        headers = {name: value for name, value in headers.items() if value is not NOTHING}
        lines = [f"{step.method} {target} HTTP/1.1", *(f"{k}: {self._filled(v)}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def _filled(self, text: str) -> str:
        text = text.replace("{clock}", f"{time.time():.9f}")
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text
