"""Makes networks and connects containers to them while the daemon is killed, and remembers what was acknowledged.

What a broken connection leaves in doubt may have happened or not, as a whole: the next look decides, and holds the
daemon to it.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.faults.api import Answer, Api, Hung
from tests.faults.load import IMAGE, PROGRAMS, SLEEPER, Findings
from tests.faults.strikes import Striker

_NETWORKS, _BOXES = 4, 4
_STRUCK = (500, 503)  # of a start whose zygote or shim was killed


@dataclass(slots=True)
class Joined:
    """A container as it should be: the networks that it is on, and those of which it is not known."""

    name: str
    networks: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    gone: bool = False


class Networker:
    """One client with networks and containers of its own. ``run`` works until told; ``verify`` looks at it all."""

    def __init__(self, api: Api, striker: Striker, chance: random.Random, findings: Findings) -> None:
        self._api, self._striker, self._chance, self._findings = api, striker, chance, findings
        self._networks: dict[str, bool] = {}  # whether it is there for sure
        self._boxes: dict[str, Joined] = {}
        self._count = 0
        self._operations = [
            (2, self.make), (1, self.unmake), (3, self.create), (6, self.connect), (5, self.disconnect),
            (2, self.restart), (1, self.remove), (2, self.publish), (3, self.look),
        ]  # fmt: skip

    def run(self, over: threading.Event) -> None:
        """Until it is over."""
        weights = [weight for weight, _ in self._operations]
        while not over.is_set():
            operation = self._chance.choices(self._operations, weights)[0][1]
            try:
                operation()
            except Hung as hung:
                self._findings.add(f"hung: {hung}")
            except Exception as error:
                self._findings.add(f"networks: {operation.__name__}: {type(error).__name__}: {error}")
            self._findings.done[f"networks: {operation.__name__}"] += 1
            if self._striker.down:
                over.wait(0.1)

    def _ask(self, method: str, target: str, body: object = None, *right: int) -> Answer:
        """One request; an answer that is neither among the right ones nor unknown is a finding."""
        before, down = self._striker.generation, self._striker.down
        answer = self._api(method, target, body)
        if answer.known and answer.status not in right:
            self._findings.add(f"{method} {target} {body}: {answer.status} {answer.message}")
        if not answer.known and not down and not self._striker.down and self._striker.generation == before:
            self._findings.add(f"{method} {target}: the connection broke, though the daemon lived")
        return answer

    def _box(self) -> Joined | None:
        return self._chance.choice(list(self._boxes.values())) if self._boxes else None

    def _network(self) -> str:
        sure = [name for name, there in self._networks.items() if there]
        return self._chance.choice(sure) if sure else ""

    def make(self) -> None:
        if len(self._networks) >= _NETWORKS:
            return
        self._count += 1
        name = f"hunted-{self._count}"
        body = {"Name": name, "Internal": self._chance.random() < 0.3, "EnableIPv6": self._chance.random() < 0.3}
        answer = self._ask("POST", "/networks/create", body, 201)
        self._networks[name] = answer.status == 201
        if not answer.known:
            self._settle(name)

    def unmake(self) -> None:
        name = self._network()
        if not name:
            return
        used = any(name in box.networks | box.doubtful for box in self._boxes.values())
        answer = self._ask("DELETE", f"/networks/{name}", None, 204, *((403,) if used else ()))
        if answer.status == 204:
            del self._networks[name]
            for box in self._boxes.values():  # one that does not run is no obstacle
                if name in box.networks | box.doubtful:
                    box.gone = True
        elif not answer.known:
            self._networks[name] = False
            self._settle(name)

    def _settle(self, name: str) -> None:
        """Find out whether a network is there."""
        answer = self._surely(f"/networks/{name}")
        if answer.status == 200:
            self._networks[name] = True
        else:
            self._networks.pop(name, None)

    def _surely(self, target: str) -> Answer:
        end = time.monotonic() + 30
        while not (answer := self._api("GET", target)).known and time.monotonic() < end:
            time.sleep(0.1)
        return answer

    def create(self) -> None:
        if len(self._boxes) >= _BOXES or not self._network():
            return
        self._count += 1
        wanted = {self._network() for _ in range(self._chance.randrange(1, 3))}
        box = Joined(f"joined-{self._count}", wanted)
        host: dict[str, Any] = {"NetworkMode": min(wanted)}
        if self._chance.random() < 0.5:
            host["PortBindings"] = {"80/tcp": [{"HostPort": ""}]}
        networking = {"EndpointsConfig": {name: {"Aliases": ["shared"]} for name in wanted}}
        body = {"Image": IMAGE, "Cmd": PROGRAMS[SLEEPER], "HostConfig": host, "NetworkingConfig": networking}
        answer = self._ask("POST", f"/containers/create?name={box.name}", body, 201)
        if answer.known or self._surely(f"/containers/{box.name}/json").status == 200:
            self._boxes[box.name] = box
            self._ask("POST", f"/containers/{box.name}/start", None, 204, 304, *_STRUCK)

    def connect(self) -> None:
        box, name = self._box(), self._network()
        if box is None or box.gone or not name or name in box.doubtful:
            return
        there = name in box.networks
        wanted = {"Container": box.name, "EndpointConfig": {"GwPriority": self._chance.randrange(3)}}
        answer = self._ask("POST", f"/networks/{name}/connect", wanted, 200, *((403,) if there else ()), 409)
        if answer.status == 200:
            box.networks.add(name)
        elif not answer.known and not there:
            box.doubtful.add(name)

    def disconnect(self) -> None:
        box = self._box()
        if box is None or box.gone or not box.networks:
            return
        name = self._chance.choice(sorted(box.networks))
        answer = self._ask("POST", f"/networks/{name}/disconnect", {"Container": box.name}, 200, 409)
        if answer.status == 200:
            box.networks.discard(name)
        elif not answer.known:
            box.networks.discard(name)
            box.doubtful.add(name)

    def restart(self) -> None:
        if (box := self._box()) is not None and not box.gone:
            self._ask("POST", f"/containers/{box.name}/restart?t=0", None, 204, *_STRUCK)

    def publish(self) -> None:
        if (box := self._box()) is None or box.gone:
            return
        body = {"PublishAdd": {f"{self._chance.randrange(1, 9)}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}
        if self._chance.random() < 0.5:
            shown = self._surely(f"/containers/{box.name}/json")
            bound = shown.json()["HostConfig"]["PortBindings"] if shown.status == 200 else None
            body = {"PublishRemove": [next(iter(bound))]} if bound else body  # type: ignore[dict-item]
        self._ask("POST", f"/containers/{box.name}/update", body, 200, 404, 409)

    def remove(self) -> None:
        if (box := self._box()) is None:
            return
        answer = self._ask("DELETE", f"/containers/{box.name}?force=1", None, 204, 404, 409)
        if answer.status == 409:
            return
        if answer.known or self._surely(f"/containers/{box.name}/json").status == 404:
            self._boxes.pop(box.name, None)

    def look(self, box: Joined | None = None) -> None:
        """Whether a container is on the networks that its client was told, inside, too."""
        box = box or self._box()
        if box is None or box.gone:
            return
        before, down = self._striker.generation, self._striker.down
        answer = self._surely(f"/containers/{box.name}/json")
        if answer.status != 200:
            self._findings.add(f"{box.name}: {answer.status} {answer.message}")
            return
        endpoints = answer.json()["NetworkSettings"]["Networks"]
        if not box.networks <= set(endpoints) <= box.networks | box.doubtful:
            self._findings.add(f"{box.name} is on {sorted(endpoints)}, told was {box}")
        box.networks, box.doubtful = set(endpoints), set()
        if down or self._striker.down or self._striker.generation != before:
            return
        state = answer.json()["State"]
        if state["Running"] and (wrong := differences(state["Pid"], endpoints)):
            self._findings.add(f"{box.name}: {wrong}")

    def verify(self) -> None:
        """Look at everything; the daemon runs and nobody strikes."""
        for name in [name for name, there in self._networks.items() if there]:
            if (answer := self._surely(f"/networks/{name}")).status != 200:
                self._findings.add(f"network {name} is lost: {answer.status} {answer.message}")
        for box in list(self._boxes.values()):
            self.look(box)


def differences(pid: int, endpoints: dict[str, Any]) -> str:
    """What is wrong with the addresses inside; nothing of a process that has just ended."""
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", "ip", "-o", "addr", "show", "scope", "global"],
        capture_output=True,
        text=True,
        check=False,
    )
    there = {line.split()[3].partition("/")[0] for line in done.stdout.splitlines()}
    right = {e[key] for e in endpoints.values() for key in ("IPAddress", "GlobalIPv6Address") if e[key]}
    return f"inside are {sorted(there)}, shown are {sorted(right)}" if not done.returncode and there != right else ""
