"""Loads an image again and again while the processes that store its layers are killed."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import threading

from tests.faults.api import Api
from tests.faults.load import Findings, archive
from tests.faults.strikes import Striker

TAG = "crk-loaded:latest"


def image_archive(chance: random.Random, layers: int = 3, size: int = 6 << 20) -> bytes:
    """A docker-archive of as many layers of noise."""
    contents = [archive(f"noise{n}", chance.randbytes(size)) for n in range(layers)]
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(c).hexdigest() for c in contents]},
    }  # fmt: skip
    names = [f"{n}/layer.tar" for n in range(layers)]
    files = {"config.json": json.dumps(config).encode()} | dict(zip(names, contents, strict=True))
    files["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": [TAG], "Layers": names}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Loader:
    """A worker whose only work is to load, look and remove."""

    def __init__(self, api: Api, striker: Striker, chance: random.Random, findings: Findings) -> None:
        self._api, self._striker, self._findings = api, striker, findings
        self._archive = image_archive(chance)

    def run(self, over: threading.Event) -> None:
        """Until it is over."""
        while not over.is_set():
            try:
                self._once()
            except AssertionError as error:
                self._findings.add(f"load: {error}")
            over.wait(0.2)

    def _once(self) -> None:
        before, workers, down = self._striker.generation, self._striker.aimed, self._striker.down
        answer = self._api("POST", "/images/load", raw=self._archive)
        said = answer.data.decode(errors="replace")
        calm = self._striker.generation == before and not down and not self._striker.down
        self._findings.done["load"] += 1
        if calm and not answer.known:
            self._findings.add("load: the connection broke, though the daemon lived")
        failed = answer.status != 200 or "error" in said
        if answer.known and failed and calm:
            if self._striker.aimed == workers:
                self._findings.add(f"load failed though no worker was killed: {answer.status} {said[-300:]}")
            elif "SIGKILL" not in said:
                self._findings.add(f"load of a killed worker does not say so: {answer.status} {said[-300:]}")
            self._findings.done["load refused"] += 1
        if answer.status == 200 and "Loaded image" in said and not failed:
            shown = self._api("GET", f"/images/{TAG}/json")
            if shown.known and shown.status != 200:
                self._findings.add(f"the loaded image is not there: {shown.status} {shown.message}")
        self._api("DELETE", f"/images/{TAG}?force=1")

    def finish(self) -> None:
        """After all strikes: it can be loaded, and removed."""
        answer = self._api("POST", "/images/load", raw=self._archive)
        if answer.status != 200 or b"Loaded image" not in answer.data:
            self._findings.add(f"load does not succeed afterwards: {answer.status} {answer.data[-300:]!r}")
        gone = self._api("DELETE", f"/images/{TAG}?force=1")
        if gone.status != 200:
            self._findings.add(f"the image cannot be removed: {gone.status} {gone.message}")
