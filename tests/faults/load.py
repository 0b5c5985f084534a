"""Random work of one client that remembers what the daemon acknowledged, and looks whether it stays true.

Each worker has containers of its own, so that between its requests nobody but a striker changes them. A broken
connection leaves a container in doubt: both outcomes are right then, and the next look at it decides.
"""

from __future__ import annotations

import io
import random
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.api import Answer, Api, Hung
from tests.faults.strikes import Striker

IMAGE = "busybox:latest"
SLOW = 20.0
"""Seconds that no operation here needs, its daemon being started again in the middle of it included."""

SLEEPER, TALKER, TRAPPED, GONE = "sleeper", "talker", "trapped", "gone"
PROGRAMS = {
    SLEEPER: ["sleep", "1000"],
    TALKER: ["sh", "-c", "echo $TOKEN; exit $CODE"],
    TRAPPED: ["sh", "-c", "trap 'exit 3' TERM; echo $TOKEN; while :; do sleep .05; done"],
    GONE: ["not-there"],
}


@dataclass(slots=True)
class Box:
    """A container as its worker knows it; ``status`` is empty while in doubt; ``doubtful``: it may be gone."""

    id: str
    name: str
    kind: str
    token: str
    code: int
    removes_itself: bool = False
    revives: bool = False
    status: str = "created"
    pid: int = 0
    struck: int = 0
    memory: int = 0
    copied: str = ""
    ended: int | None = None
    talked: bool = False
    doubtful: bool = False


@dataclass(slots=True)
class Findings:
    """What is wrong, and how often what was done."""

    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)

    def add(self, text: str) -> None:
        self.wrong.append(f"{time.strftime('%H:%M:%S')} {text}")


class Worker:
    """One client. ``run`` works until told; ``verify`` looks at everything it was promised."""

    def __init__(self, number: int, api: Api, striker: Striker, chance: random.Random, findings: Findings) -> None:
        self._prefix = f"w{number}"
        self._api = api
        self._striker = striker
        self._chance = chance
        self.findings = findings
        self.boxes: dict[str, Box] = {}
        self.removed: list[str] = []
        self.volumes: dict[str, str] = {}
        self._count = 0
        self._operations: list[tuple[int, Callable[[], object]]] = [
            (5, self.create), (8, self.start), (4, self.stop), (3, self.kill), (4, self.remove), (4, self.execute),
            (2, self.attach), (3, self.follow), (2, self.pause), (1, self.update), (2, self.rename), (1, self.commit),
            (2, self.copy), (2, self.restart), (2, self.wait), (2, self.look), (1, self.listings), (1, self.volume),
        ]  # fmt: skip

    def run(self, over: threading.Event) -> None:
        """Work at random until it is over."""
        weights = [weight for weight, _ in self._operations]
        while not over.is_set():
            operation = self._chance.choices(self._operations, weights)[0][1]
            name = getattr(operation, "__name__", "")
            begun = time.monotonic()
            try:
                operation()
            except Hung as hung:
                self.findings.add(f"hung: {hung}")
            except Exception as error:
                self.findings.add(f"{name}: {type(error).__name__}: {error}")
            took = time.monotonic() - begun
            self.findings.done[name] += 1
            self.findings.slowest[name] = max(took, self.findings.slowest.get(name, 0))
            if took > SLOW:
                self.findings.add(f"slow: {name} took {took:.1f} s")
            if self._striker.down:
                over.wait(0.1)

    # -- requests and what they prove --

    def ask(self, method: str, target: str, body: object = None, raw: bytes | None = None) -> Answer:
        """One request; a connection that breaks though the daemon lived is a finding."""
        return self._judged(f"{method} {target}", lambda: self._api(method, target, body, raw=raw))

    def stream(self, target: str, body: object = None, seconds: float = 0, method: str = "POST") -> Answer:
        """One raw stream, likewise."""
        return self._judged(target, lambda: self._api.stream(method, target, body, seconds=seconds))

    def _judged(self, what: str, request: Callable[[], Answer]) -> Answer:
        before, down = self._striker.generation, self._striker.down
        answer = request()
        calm = not down and not self._striker.down and self._striker.generation == before
        if not answer.known and calm:
            self.findings.add(f"{what}: the connection broke, though the daemon lived")
        if answer.status >= 500:
            self.findings.refusals[f"{what.split('?')[0].split('/')[-1]}: {answer.message[-160:]}"] += 1
            if "internal error" in answer.message:
                self.findings.add(f"{what}: {answer.message}")
        return answer

    def _any(self) -> Box | None:
        return self._chance.choice(list(self.boxes.values())) if self.boxes else None

    # -- operations --

    def create(self) -> None:
        if len(self.boxes) >= 5:
            self.remove()
            return
        self._count += 1
        name, kind = (
            f"{self._prefix}-{self._count}",
            self._chance.choice([SLEEPER] * 4 + [TALKER] * 3 + [TRAPPED, GONE]),
        )
        box = Box("", name, kind, f"token-{name}-{self._chance.randrange(1 << 30)}", self._chance.randrange(100))
        box.revives = kind == TALKER and self._chance.random() < 0.15
        box.removes_itself = not box.revives and self._chance.random() < 0.15
        host: dict[str, Any] = {"AutoRemove": box.removes_itself}
        if box.revives:
            host["RestartPolicy"] = {"Name": "always"}
        if kind == SLEEPER and self._chance.random() < 0.3:
            host["PortBindings"] = {"80/tcp": [{"HostPort": ""}]}
        if self.volumes and self._chance.random() < 0.3:
            host["Binds"] = [f"{self._chance.choice(list(self.volumes))}:/v"]
        host["NetworkMode"] = self._chance.choice(["bridge"] * 4 + ["none", "host"])
        if host["NetworkMode"] != "bridge":
            host.pop("PortBindings", None)
        body = {"Image": IMAGE, "Cmd": PROGRAMS[kind], "Env": [f"TOKEN={box.token}", f"CODE={box.code}"],
                "Tty": self._chance.random() < 0.1, "HostConfig": host}  # fmt: skip
        answer = self.ask("POST", f"/containers/create?name={name}", body)
        if answer.status == 201:
            box.id = answer.json()["Id"]
        elif not answer.known and (found := self._document(name)) is not None:
            box.id = found["Id"]
        elif answer.known:
            self.findings.add(f"create {name}: {answer.status} {answer.message}")
        if box.id:
            self.boxes[name] = box

    def start(self) -> None:
        box = self._any()
        if box is None:
            self.create()
            return
        struck = self._striker.struck[box.id]
        answer = self.ask("POST", f"/containers/{box.name}/start")
        if answer.status == 204:
            box.status, box.struck, box.ended = ("running" if box.kind in (SLEEPER, TRAPPED) else ""), struck, None
            box.talked = box.kind == TALKER
            box.pid = 0
        elif answer.status != 304:
            box.status, box.ended, box.talked = "", None, False

    def stop(self) -> None:
        if (box := self._any()) is None:
            return
        answer = self.ask("POST", f"/containers/{box.name}/stop?t={self._chance.randrange(2)}")
        self._came_to_rest(box, answer)

    def kill(self) -> None:
        if (box := self._any()) is None:
            return
        word = self._chance.choice(["KILL", "KILL", "TERM", "USR1"])
        answer = self.ask("POST", f"/containers/{box.name}/kill?signal={word}")
        if word == "KILL":
            self._came_to_rest(box, answer)
        elif answer.status != 409:
            box.status = ""

    def _came_to_rest(self, box: Box, answer: Answer) -> None:
        box.status = "ended" if answer.status == 204 and not (box.removes_itself or box.revives) else ""

    def remove(self) -> None:
        if (box := self._any()) is None:
            return
        answer = self.ask("DELETE", f"/containers/{box.name}?v=1&force={self._chance.randrange(2)}")
        if answer.status == 204 or (answer.status == 404 and box.removes_itself):
            self._forget(box)
        else:
            box.doubtful = box.doubtful or not answer.known
            box.status = box.status if answer.status == 409 else ""  # it may have been killed for its removal
            if answer.status not in (0, 404, 409):
                self.findings.add(f"rm {box.name}: {answer.status} {answer.message}")
            self.look(box)

    def _forget(self, box: Box) -> None:
        del self.boxes[box.name]
        self.removed.append(box.id)

    def execute(self) -> None:
        if (box := self._any()) is None:
            return
        code, word = self._chance.randrange(100), f"said-{self._chance.randrange(1 << 20)}"
        body = {"Cmd": ["sh", "-c", f"echo {word}; exit {code}"], "AttachStdout": True, "AttachStderr": True}
        made = self.ask("POST", f"/containers/{box.name}/exec", body)
        if made.status != 201:
            return
        identity, before, struck = made.json()["Id"], self._striker.generation, self._striker.struck[box.id]
        attached = self._chance.random() < 0.7
        if attached:
            answer = self.stream(f"/exec/{identity}/start", {"Detach": False})
        else:
            answer = self.ask("POST", f"/exec/{identity}/start", {"Detach": True})
        shown = self.ask("GET", f"/exec/{identity}/json")
        calm = self._striker.generation == before and self._striker.struck[box.id] == struck and not self._striker.down
        if attached and calm and box.kind == SLEEPER and answer.status == 101 and shown.status == 200:
            if shown.json()["ExitCode"] == code and word.encode() not in answer.data:
                self.findings.add(f"exec in {box.name} ended with {code} but its output is {answer.data!r}")
            if shown.json()["Running"]:
                self.findings.add(f"exec {identity[:12]} in {box.name} still runs after its stream ended")

    def attach(self) -> None:
        if (box := self._any()) is not None:
            self.stream(f"/containers/{box.name}/attach?stream=1&stdout=1&logs=1", seconds=self._chance.uniform(0, 1))

    def follow(self) -> None:
        if (box := self._any()) is not None:
            target = f"/containers/{box.name}/logs?stdout=1&follow={self._chance.randrange(2)}"
            self.stream(target, seconds=self._chance.uniform(0.05, 1), method="GET")

    def pause(self) -> None:
        if (box := self._any()) is None:
            return
        if self.ask("POST", f"/containers/{box.name}/pause").status == 204:
            time.sleep(self._chance.uniform(0, 0.2))
            if self._chance.random() < 0.8:
                self.ask("POST", f"/containers/{box.name}/unpause")

    def update(self) -> None:
        if (box := self._any()) is None:
            return
        memory = self._chance.randrange(32, 64) << 20
        answer = self.ask("POST", f"/containers/{box.name}/update", {"Memory": memory, "MemorySwap": -1})
        box.memory = memory if answer.status == 200 else 0 if not answer.known or answer.status >= 500 else box.memory

    def rename(self) -> None:
        if (box := self._any()) is None:
            return
        self._count += 1
        wanted = f"{self._prefix}-{self._count}"
        answer = self.ask("POST", f"/containers/{box.name}/rename?name={wanted}")
        renamed = answer.status == 204
        if not answer.known and (found := self._document(box.id)) is not None:
            renamed = found["Name"] == "/" + wanted
        if renamed:
            del self.boxes[box.name]
            box.name = wanted
            self.boxes[wanted] = box

    def commit(self) -> None:
        if (box := self._any()) is None:
            return
        tag = f"{self._prefix}img:{self._count}"
        repository, _, version = tag.partition(":")
        answer = self.ask("POST", f"/commit?container={box.name}&repo={repository}&tag={version}", {})
        if answer.status != 201:
            return
        shown = self._surely(lambda: self.ask("GET", f"/images/{tag}/json"))
        if shown.status != 200 or shown.json()["Id"] != answer.json()["Id"]:
            self.findings.add(f"the committed image {tag} is lost: {shown.status} {shown.message}")
        gone = self.ask("DELETE", f"/images/{tag}?force=1")
        if gone.status == 200 and self._surely(lambda: self.ask("GET", f"/images/{tag}/json")).status != 404:
            self.findings.add(f"the removed image {tag} is back")

    def copy(self) -> None:
        if (box := self._any()) is None or box.removes_itself:
            return
        text = f"copied-{self._chance.randrange(1 << 30)}"
        answer = self.ask("PUT", f"/containers/{box.name}/archive?path=/", raw=archive("copied", text.encode()))
        box.copied = text if answer.status == 200 else "" if answer.status != 404 else box.copied

    def restart(self) -> None:
        if (box := self._any()) is None:
            return
        box.status, box.talked, box.ended = "", False, None
        self.ask("POST", f"/containers/{box.name}/restart?t=0")

    def wait(self) -> None:
        if (box := self._any()) is None or box.kind != TALKER or box.revives or box.removes_itself or not box.talked:
            return
        struck = self._striker.struck[box.id]
        answer = self.ask("POST", f"/containers/{box.name}/wait")
        if answer.status == 200 and self._striker.struck[box.id] == struck and box.talked:
            box.ended = answer.json()["StatusCode"]

    def listings(self) -> None:
        for target in ("/containers/json?all=1&size=1", "/images/json", "/volumes", "/info", "/system/df", "/networks"):
            answer = self.ask("GET", target)
            if answer.known and answer.status != 200:
                self.findings.add(f"GET {target}: {answer.status} {answer.message}")

    def volume(self) -> None:
        if len(self.volumes) >= 2:
            return
        self._count += 1
        name = f"{self._prefix}vol{self._count}"
        options = {"type": "tmpfs", "device": "tmpfs"} if self._chance.random() < 0.5 else None
        if self.ask("POST", "/volumes/create", {"Name": name, "DriverOpts": options}).status == 201:
            self.volumes[name] = ""

    # -- looking --

    def look(self, box: Box | None = None) -> None:
        """Whether a container is what its worker was told."""
        box = box or self._any()
        if box is None:
            return
        struck, before = self._striker.struck[box.id], self._striker.generation
        found = self._document(box.id)
        if found is not None:
            box.doubtful = False
        else:
            if self._striker.generation == before and not self._striker.down:
                self._vanished(box)
            return
        state = found["State"]
        lost = struck != box.struck or "shim was lost" in state["Error"]
        if found["Name"] != "/" + box.name:
            self.findings.add(f"container {box.id[:12]} is named {found['Name']}, not {box.name}")
        if box.memory and found["HostConfig"]["Memory"] != box.memory:
            self.findings.add(f"{box.name} has {found['HostConfig']['Memory']} bytes of memory, not {box.memory}")
        if box.status == "running" and not state["Running"] and not lost:
            self.findings.add(f"{box.name} {box.id[:12]} was started and ended by itself: {state}")
        if box.status == "running" and state["Running"] and not lost:
            if box.pid and box.pid != state["Pid"]:
                self.findings.add(f"{box.name} had pid {box.pid} and has {state['Pid']}")
            box.pid = state["Pid"]
        if box.status == "ended" and state["Running"]:
            self.findings.add(f"{box.name} {box.id[:12]} was stopped and runs: {state}")
        if box.ended is not None and state["ExitCode"] != box.ended:
            self.findings.add(f"{box.name} ended with {box.ended}, now it is {state}")

    def _vanished(self, box: Box) -> None:
        if not (box.removes_itself or box.doubtful):
            self.findings.add(f"container {box.name} {box.id[:12]} ({box.kind}) has vanished")
        self._forget(box)

    def verify(self) -> None:
        """Everything that was acknowledged; the daemon is calm now."""
        for box in list(self.boxes.values()):
            self.look(box)
            if box.name in self.boxes:
                self._verify_content(box)
        for identity in self.removed:
            if self._document(identity) is not None:
                self.findings.add(f"the removed container {identity[:12]} is back")
        for name in self.volumes:
            if self.ask("GET", f"/volumes/{name}").status != 200:
                self.findings.add(f"volume {name} is lost")

    def _verify_content(self, box: Box) -> None:
        if box.copied:
            answer = self.ask("GET", f"/containers/{box.name}/archive?path=/copied")
            if answer.status != 200 or box.copied.encode() not in answer.data:
                self.findings.add(f"what was copied into {box.name} is lost: {answer.status} {answer.data[:100]!r}")
        if box.ended is not None and box.ended == box.code:
            shown = self.ask("GET", f"/containers/{box.name}/logs?stdout=1")
            if box.token.encode() not in shown.data:
                self.findings.add(f"the log of {box.name} lacks what it said: {shown.data[-200:]!r}")

    def _document(self, reference: str) -> Any:
        answer = self._surely(lambda: self.ask("GET", f"/containers/{reference}/json"))
        return answer.json() if answer.status == 200 else None

    def _surely(self, request: Callable[[], Answer]) -> Answer:
        """Asked again until somebody answers."""
        end = time.monotonic() + 60
        while not (answer := request()).known:
            if time.monotonic() > end:
                raise Hung("the daemon has not come back in 60 s")
            time.sleep(0.1)
        return answer


def archive(name: str, content: bytes) -> bytes:
    """A tar of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
