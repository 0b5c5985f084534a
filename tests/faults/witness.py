"""Containers that must not feel anything: whatever happens to daemon and zygote, they count, listen and stay."""

from __future__ import annotations

import http.client
import itertools
import re
import subprocess
import time
from contextlib import closing
from typing import Any

from tests.faults.api import Api
from tests.faults.load import IMAGE

COUNTER = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep .1; done"]
SERVER = ["sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]


class Witness:
    """One container that counts into its log, and one that serves a published port."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.ids: set[str] = set()
        self._counter = self._run("witness-counter", COUNTER)
        self._server = self._run("witness-server", SERVER, PortBindings={"80/tcp": [{"HostPort": ""}]})
        shown = self._shown(self._server)
        self._port = int(shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])
        self._before = {identity: self._facts(identity) for identity in self.ids}

    def _run(self, name: str, words: list[str], **host: Any) -> str:
        body = {"Image": IMAGE, "Cmd": words, "HostConfig": host}
        made = self._api("POST", f"/containers/create?name={name}", body)
        assert made.status == 201, made
        identity = str(made.json()["Id"])
        started = self._api("POST", f"/containers/{identity}/start")
        assert started.status == 204, started
        self.ids.add(identity)
        return identity

    def _shown(self, identity: str) -> Any:
        answer = self._api("GET", f"/containers/{identity}/json")
        assert answer.status == 200, answer
        return answer.json()

    def _facts(self, identity: str) -> tuple[int, str, str]:
        shown = self._shown(identity)
        network = shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        return shown["State"]["Pid"], shown["State"]["StartedAt"], network

    def serves(self) -> str:
        """What is wrong with the published port; asked whether a daemon runs or not."""
        said = ""
        for _ in range(3):
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)) as connection:
                    connection.request("GET", "/index.html")
                    said = connection.getresponse().read().decode()
            except OSError as error:
                said = str(error)
            if said == "served\n":
                return ""
            time.sleep(0.2)
        return f"port {self._port} of the untouched container answers {said!r}"

    def differences(self) -> list[str]:
        """Whether both are the same processes as ever, and the counter left no number out."""
        found = [
            f"an untouched container was {before}, is {now}"
            for identity, before in self._before.items()
            if (now := self._facts(identity)) != before
        ]
        log = self._api("GET", f"/containers/{self._counter}/logs?stdout=1").data
        numbers = [int(word) for word in re.findall(rb"(\d+)\n", log)]
        if not numbers or numbers != list(range(1, len(numbers) + 1)):
            gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
            found.append(f"the counter's log has gaps: {gaps[:5]} of {len(numbers)}")
        return found + [text for text in [self.serves(), self.resolves()] if text]

    def resolves(self) -> str:
        """What is wrong with the name of one in the network of the other; asked while a daemon runs."""
        pid, _, wanted = self._before[self._server]
        words = ["nsenter", f"--net=/proc/{self._before[self._counter][0]}/ns/net"]
        words += ["busybox", "nslookup", "-type=a", "witness-server", "127.0.0.11"]
        said = ""
        for _ in range(3):
            said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
            if f"Address: {wanted}\n" in said:
                return ""
            time.sleep(0.5)
        return f"the name of the untouched container {pid} leads to {said!r}, not to {wanted}"
