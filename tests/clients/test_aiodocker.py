"""aiodocker drives the daemon: many things at once on one event loop, attach by upgrade and by WebSocket."""

from __future__ import annotations

import asyncio
import gc
import io
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.cli.running import DaemonProcess
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]

Play = Callable[[Any], Awaitable[None]]


@pytest.fixture
def play(python_client: Callable[[str], Any], daemon: DaemonProcess, busybox: str) -> Callable[[Play], None]:
    """Runs a coroutine function with a connected client."""
    aiodocker = python_client("aiodocker")

    async def connected(scene: Play) -> None:
        client = aiodocker.Docker(url=f"unix://{daemon.socket}")
        try:
            await asyncio.wait_for(scene(client), 60)
        finally:
            await client.close()

    def played(scene: Play) -> None:
        asyncio.run(connected(scene))
        gc.collect()  # connections that the client forgot warn here, not at the run's end

    return played


def _config(*words: str, **more: object) -> dict[str, object]:
    return {"Image": "busybox", "Cmd": list(words), **more}


@pytest.mark.census("GET /version", "GET /info")
def test_the_system_tells_of_itself(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        assert (await client.version())["ApiVersion"] == "1.51"
        assert (await client.system.info())["OSType"] == "linux"

    play(scene)


@pytest.mark.census("POST /containers/create", "POST /containers/{id}/wait", "GET /containers/{id}/logs")
def test_many_containers_at_once(play: Callable[[Play], None]) -> None:
    async def one(client: Any, number: int) -> None:
        container = await client.containers.run(_config("sh", "-c", f"echo {number}; exit {number}"))
        assert (await container.wait())["StatusCode"] == number
        assert await container.log(stdout=True) == [f"{number}\n"]
        await container.delete()

    async def scene(client: Any) -> None:
        await asyncio.gather(*(one(client, number) for number in range(10)))
        assert await client.containers.list(all=True) == []

    play(scene)


@pytest.mark.census("POST /containers/{id}/attach")
def test_attach_writes_and_reads(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        config = _config("sh", "-c", "read a; echo out $a; echo err >&2", OpenStdin=True, StdinOnce=True)
        container = await client.containers.create(config)
        async with container.attach(stdin=True, stdout=True, stderr=True) as stream:
            await container.start()
            await stream.write_in(b"told\n")
            messages: dict[int, bytes] = {}
            while (message := await stream.read_out()) is not None:
                messages[message.stream] = messages.get(message.stream, b"") + message.data
        assert messages == {1: b"out told\n", 2: b"err\n"}

    play(scene)


@pytest.mark.census("GET /containers/{id}/attach/ws")
def test_attach_by_websocket(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        container = await client.containers.create(_config("cat", OpenStdin=True, Tty=True))
        await container.start()
        socket = await container.websocket(stdin=True, stdout=True, stream=True)
        await socket.send_bytes(b"through\n")
        said = b""
        while said.count(b"through") < 2:  # the terminal's echo, and cat
            said += (await socket.receive()).data
        await socket.close()
        await container.kill()

    play(scene)


@pytest.mark.census(
    "POST /containers/{id}/exec", "POST /exec/{id}/start", "GET /exec/{id}/json", "POST /exec/{id}/resize"
)
def test_exec(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        container = await client.containers.run(_config("sleep", "600"))
        execution = await container.exec(["sh", "-c", "echo $A; cat; exit 3"], stdin=True, environment={"A": "b"})
        async with execution.start() as stream:
            await stream.write_in(b"in\n")
            assert (await stream.read_out()).data == b"b\n"
            assert (await stream.read_out()).data == b"in\n"
        terminal = await container.exec(["sh", "-c", "sleep 0.3; stty size"], tty=True)
        async with terminal.start() as stream:
            await terminal.resize(h=20, w=70)
            assert b"20 70" in (await stream.read_out()).data
        detached = await container.exec(["touch", "/done"])
        await detached.start(detach=True)
        waiting = await container.exec(["sh", "-c", "until test -e /done; do sleep 0.05; done"])
        async with waiting.start() as stream:
            assert await stream.read_out() is None
        assert (await detached.inspect())["ExitCode"] in (0, None)
        await container.delete(force=True)

    play(scene)


@pytest.mark.census("PUT /containers/{id}/archive", "GET /containers/{id}/archive")
def test_files_go_in_and_out(play: Callable[[Play], None]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"content"))

    async def scene(client: Any) -> None:
        container = await client.containers.create(_config("true"))
        await container.put_archive("/tmp", buffer.getvalue())
        back = await container.get_archive("/tmp/file")
        assert back.extractfile("file").read() == b"content"

    play(scene)


@pytest.mark.census("GET /events", "GET /containers/{id}/stats")
def test_streams_are_followed(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        told = client.events.subscribe()
        container = await client.containers.run(_config("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"))
        lines = [line async for line in container.log(stdout=True, follow=True)]
        assert lines == ["1\n", "2\n", "3\n"]
        actions = []
        while "die" not in actions:
            actions.append((await told.get())["Action"])
        assert [action for action in actions if not action.endswith("connect")] == ["create", "start", "die"]
        runner = await client.containers.run(_config("sleep", "600"))
        async for figures in runner.stats():
            assert figures["memory_stats"]["usage"] > 0
            break
        await runner.delete(force=True)
        with suppress(Exception):
            await client.events.stop()

    play(scene)


@pytest.mark.census("POST /images/{name}/tag", "GET /images/{name}/json", "POST /commit", "GET /images/{name}/get")
def test_images_and_volumes(play: Callable[[Play], None]) -> None:
    async def scene(client: Any) -> None:
        container = await client.containers.run(_config("sh", "-c", "echo kept >/kept"))
        await container.wait()
        await container.commit(repository="kept", tag="v1")
        assert await client.images.tag("kept:v1", repo="other", tag="v2")
        assert (await client.images.inspect("other:v2"))["RepoTags"] == ["kept:v1", "other:v2"]
        async with client.images.export_image("kept:v1") as exported:
            data = await exported.read()
        for name in ("kept:v1", "other:v2"):
            await client.images.delete(name)
        loaded = [step async for step in client.images.import_image(io.BytesIO(data), stream=True)]
        assert any("kept:v1" in step.get("stream", "") for step in loaded)
        await client.images.delete("kept:v1")
        volume = await client.volumes.create({"Name": "things", "Labels": {"kind": "test"}})
        assert (await volume.show())["Labels"] == {"kind": "test"}
        assert [one["Name"] for one in (await client.volumes.list())["Volumes"]] == ["things"]
        await volume.delete()

    play(scene)


def test_failures_have_their_status(play: Callable[[Play], None], python_client: Callable[[str], Any]) -> None:
    error = python_client("aiodocker").exceptions.DockerError

    async def scene(client: Any) -> None:
        with pytest.raises(error, match="No such container") as failure:
            await client.containers.get("nothing")
        assert failure.value.status == 404
        with pytest.raises(error) as failure:
            await client.containers.create({"Image": "busybox", "HostConfig": {"Memory": 1}})
        assert failure.value.status == 400

    play(scene)
