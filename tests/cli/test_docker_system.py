"""The real docker command asks the system's routes: version, info, events, system df."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from tests.fakes.http_peer import run, serving
from tests.unit.api.routes.test_system import Engine

from carrack.api.routes.system import routes

pytestmark = [
    pytest.mark.docker_cli,
    pytest.mark.skipif(shutil.which("docker") is None, reason="the docker command is not on the PATH"),
]


async def docker(address: str, *words: str) -> str:
    home = str(Path(address).parent)
    process = await asyncio.create_subprocess_exec(
        *("docker", "-H", f"unix://{address}", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": home, "DOCKER_CONFIG": home},
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    return out.decode()


@pytest.mark.docker_28
def test_the_docker_command_understands_the_answers(tmp_path: Path) -> None:
    engine = Engine()
    engine.events.publish("volume", "create", "v1", {"driver": "local"})
    engine.events.publish("container", "start", "c1", {"image": "busybox", "name": "web"})

    async def main() -> None:
        async with serving(tmp_path, routes(engine)) as address:
            version = json.loads(await docker(address, "version", "--format", "json"))
            assert version["Server"]["ApiVersion"] == "1.51"
            assert "Server: Carrack" in await docker(address, "version")
            info = json.loads(await docker(address, "info", "--format", "json"))
            assert (info["ID"], info["Images"], info.get("ServerErrors")) == ("id-1", 1, None)
            # The command rounds times down to seconds, so "now" would leave out what has just happened.
            until = str(int(time.time()) + 1)
            told = await docker(address, "events", "--since", "1h", "--until", until)
            assert [line.split(" ", 1)[1] for line in told.splitlines()] == [
                "volume create v1 (driver=local)",
                "container start c1 (image=busybox, name=web)",
            ]
            told = await docker(address, "events", "--since", "1h", "--until", until, "--filter", "container=web")
            assert told.count("\n") == 1
            assert "Images          1" in await docker(address, "system", "df")

    run(main)
