"""What ADD gets from elsewhere: a server and repositories of the test's own, on loopback."""

from __future__ import annotations

import asyncio
import base64
import gzip
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from tests.fakes.building import NoAgents, Workshop
from tests.fakes.elsewhere import Repository, git_daemon, web
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.engine.build import copying
from carrack.engine.build.fetching import Fetches
from carrack.engine.build.request import Files, Request
from carrack.engine.build.steps import CopyStep
from carrack.errors import CarrackError
from carrack.storage.trees.base import walk
from carrack.storage.trees.picking import Picked

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("in/side")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"ok"))
    return out.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a few files, one of them badly."""

    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        who = self.headers.get("Authorization", "nobody").encode()
        body = {"/a.tar.gz": gzip.compress(archive()), "/who": who}.get(self.path, b"hello")
        leads = {"/to": "/hello.txt", "/to-who": "/who", "/away": "ftp://127.0.0.1:1/x"}
        if self.path in leads:
            body = b""
            self.send_response(302)
            self.send_header("Location", leads[self.path])
        else:
            self.send_response(200)
            self.send_header("Last-Modified", "Thu, 01 Jan 1970 00:00:09 GMT")
            if self.path.startswith("/told"):
                self.send_header("Content-Disposition", "attachment; filename=other.txt")
        self.send_header("Content-Length", str(len(body) + (self.path == "/short")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def fetch(workshop: Workshop, *sources: str, **more: object) -> dict[str, str]:
    """The files of what ADD of these would copy, by name; archives unpacked as it would."""

    async def context() -> Files:
        raise AssertionError

    async def run() -> dict[str, str]:
        fetches = Fetches(workshop.world.content, workshop.world.folder / "git", {})
        style = str(more.pop("style", "buildkit"))
        step = CopyStep(sources, "/x/", remote=True, **{"extract": None, **more})  # type: ignore[arg-type]
        request = Request(file.parse("FROM x"), context, HOST, HOST, NoAgents(), style=style)
        found: dict[str, str] = {}
        async with fetches.open(step, request, lambda *_: None, lambda _: None) as fetched:
            gathered = copying.gather(step, None, fetched)
            async with fetches.archives(gathered, step.extract):
                for tree, thing in gathered.things():
                    inner = gathered.archives.get(id(thing[0].entry))
                    if inner is not None:
                        tree, thing = inner, [Picked(entry, entry.path) for entry in walk(inner, b"")]
                    for each in thing:
                        if each.entry.kind == b"0":
                            data = b"".join(bytes(piece) for piece in tree.data(each.entry))
                            found[each.name.decode()] = data.decode("latin-1")
        return found

    found = asyncio.run(run())
    assert list((workshop.world.folder / "content" / "ingest").iterdir()) == []
    return found


def test_a_file(workshop: Workshop, server: str) -> None:
    assert fetch(workshop, f"{server}/hello.txt", checksum=HELLO) == {"hello.txt": "hello"}
    assert fetch(workshop, f"{server}/to") == {"to": "hello"}


def test_a_file_that_its_server_calls_otherwise(workshop: Workshop, server: str) -> None:
    assert fetch(workshop, f"{server}/told.txt") == {"told.txt": "hello"}
    assert fetch(workshop, f"{server}/told/") == {"told": "hello"}
    assert fetch(workshop, f"{server}/") == {"__unnamed__": "hello"}
    assert fetch(workshop, f"{server}/told.txt", style="classic") == {"told.txt": "hello"}
    assert fetch(workshop, f"{server}/told/", style="classic") == {"other.txt": "hello"}
    assert remote(workshop, f"{server}/told.txt", unpack=False)[0] == {"other.txt": "hello"}


def test_a_name_and_a_password_in_the_address(workshop: Workshop, server: str) -> None:
    named = server.replace("://", "://me:s%2Fecret@")
    expected = f"Basic {base64.b64encode(b'me:s/ecret').decode()}"
    assert fetch(workshop, f"{named}/who") == {"who": expected}
    assert fetch(workshop, f"{named}/to-who") == {"to-who": "nobody"}, "they are not for whom it leads to"


def test_archives_from_elsewhere_stay_as_they_are(workshop: Workshop, server: str) -> None:
    assert list(fetch(workshop, f"{server}/a.tar.gz")) == ["a.tar.gz"]
    assert fetch(workshop, f"{server}/a.tar.gz", extract=True) == {"in/side": "ok"}


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/hello.txt", {"checksum": "sha256:00"}, "digest mismatch"),
        ("/gone", {}, "the server answered 404"),
        ("/away", {}, "it leads to ftp://"),
        ("/short", {}, "the connection broke after 5 of 6"),
        ("/", {"style": "classic"}, "cannot determine filename"),
    ],
)
def test_what_goes_wrong(workshop: Workshop, server: str, path: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(CarrackError, match=said):
        fetch(workshop, f"{server}{path}", **more)


def test_a_build_that_is_left_does_not_wait_for_a_slow_server(workshop: Workshop) -> None:
    """Neither do all others, which would if it had the loop's shared threads."""

    async def run() -> None:
        fetches = Fetches(workshop.world.content, workshop.world.folder / "git", {})
        begun = asyncio.Semaphore(0)

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nX-")
            begun.release()
            await reader.read()
            writer.close()

        async def wait(address: str) -> None:
            async with AsyncExitStack() as held:
                await fetches.remote(address, NoAgents(), held)

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/f"
        waiting = [asyncio.get_running_loop().create_task(wait(address)) for _ in range(40)]
        for _ in waiting:
            await begun.acquire()
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1
        for each in waiting:
            each.cancel()
        await asyncio.wait_for(asyncio.wait(waiting), 5)
        assert all(each.cancelled() for each in waiting)
        server.close()

    asyncio.run(run())
    assert list((workshop.world.folder / "content" / "ingest").iterdir()) == []


def test_nobody_there(workshop: Workshop) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(CarrackError, match="could not be fetched"):
            fetch(workshop, f"http://127.0.0.1:{sock.getsockname()[1]}/x")


def test_archives_of_the_context(workshop: Workshop) -> None:
    async def run() -> None:
        fetches = Fetches(workshop.world.content, workshop.world.folder / "git", {})
        tree = workshop.context(
            {"plain": "no archive at all, but of some length" * 50, "a.tar": archive().decode("latin-1")}
        )
        for extract, expected in ((None, 1), (False, 0)):
            gathered = copying.gather(CopyStep(("a.tar", "plain"), "/x/", remote=True), Files(tree), {})
            async with fetches.archives(gathered, extract):
                assert len(gathered.archives) == expected
        tree.close()

    asyncio.run(run())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A repository behind `git daemon`: its address and its first commit."""
    with git_daemon(tmp_path / "repos") as address:
        made = Repository(tmp_path / "repos" / "r.git")
        (made.place / "out").symlink_to("/etc")
        first = made.commit({"f": "one", "sub/g": "two"})
        made.git("tag", "v1")
        made.git("update-ref", "refs/pull/1/head", made.commit({"f": "pulled"}))
        made.git("checkout", "-q", "-b", "v1")
        made.commit({"f": "branched"})
        made.git("checkout", "-q", "main")
        made.commit({"f": "later"})
        yield f"{address}/r.git", first


def test_repositories(workshop: Workshop, repository: tuple[str, str]) -> None:
    address, first = repository
    assert fetch(workshop, address) == {"f": "later", "sub/g": "two"}
    assert fetch(workshop, f"{address}#main:sub") == {"g": "two"}
    for what, text in (
        ("#v1", "branched"), ("?branch=v1", "branched"), ("?tag=v1", "one"), (f"#{first}", "one"),
        ("#pull/1/head", "pulled"), (f"?branch=main&checksum={first[:9]}", ""),
    ):  # fmt: skip
        if text:
            assert fetch(workshop, f"{address}{what}")["f"] == text, what
        else:
            with pytest.raises(CarrackError, match="expected checksum to match"):
                fetch(workshop, f"{address}{what}")
    with pytest.raises(CarrackError, match="does not contain ref"):
        fetch(workshop, f"{address}#{first[:9]}")
    assert fetch(workshop, f"{address}#refs/tags/v1", checksum=first)["f"] == "one"
    assert "HEAD" in " ".join(fetch(workshop, f"{address}#v1", keep_git_dir=True))
    assert list((workshop.world.folder / "git").iterdir()) == []


@pytest.mark.parametrize(
    ("what", "more", "said"),
    [
        ("#nothing", {}, "does not contain ref nothing"),
        ("#v1", {"checksum": "0" * 40}, "expected checksum to match 0000"),
        ("#v1:none", {}, "no such file"),
        ("#v1:out", {}, "contains non-directory"),
    ],
)
def test_cve_2026_33748_repositories_that_are_not_what_was_asked(
    workshop: Workshop, repository: tuple[str, str], what: str, more: dict[str, object], said: str
) -> None:
    with pytest.raises(CarrackError, match=said):
        fetch(workshop, repository[0] + what, **more)


def remote(workshop: Workshop, source: str, **more: object) -> tuple[dict[str, str], str]:
    """The regular files of a context from elsewhere, and which of them is its Dockerfile if it is nothing else."""

    async def run() -> tuple[dict[str, str], str]:
        fetches = Fetches(workshop.world.content, workshop.world.folder / "git", {})
        async with AsyncExitStack() as held:
            if source:
                found = await fetches.remote(source, NoAgents(), held, **more)  # type: ignore[arg-type]
            else:
                found = await fetches.sent(_pieces(archive()), held)
            files = {}
            for entry in walk(found.tree, b""):
                if entry.kind == b"0":
                    data = b"".join(bytes(piece) for piece in found.tree.data(entry))
                    files[entry.path.decode()] = data.decode("latin-1")
        return files, found.dockerfile

    found = asyncio.run(run())
    assert list((workshop.world.folder / "content" / "ingest").iterdir()) == []
    return found


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


def test_contexts_by_url(workshop: Workshop) -> None:
    files = {"/a.tgz": gzip.compress(archive()), "/d": b"FROM x\n", "/": b"FROM y\n", "/bad": b"\0\1\2"}
    with web(files) as address:
        assert remote(workshop, f"{address}/a.tgz") == ({"in/side": "ok"}, "")
        assert remote(workshop, f"{address}/d") == ({"context": "FROM x\n"}, "context")
        assert remote(workshop, f"{address}/") == ({"context": "FROM y\n"}, "context")
        assert list(remote(workshop, f"{address}/a.tgz", unpack=False)[0]) == ["a.tgz"]
        with pytest.raises(CarrackError, match="neither an archive"):
            remote(workshop, f"{address}/bad")
        with pytest.raises(CarrackError, match="404"):
            remote(workshop, f"{address}/none")
    with pytest.raises(CarrackError, match="neither a URL"):
        remote(workshop, "ftp://127.0.0.1/x")


def test_a_context_that_is_sent(workshop: Workshop) -> None:
    assert remote(workshop, "") == ({"in/side": "ok"}, "")


def test_a_context_in_a_repository(workshop: Workshop, repository: tuple[str, str]) -> None:
    address = repository[0]
    assert remote(workshop, f"{address}#v1:sub") == ({"g": "two"}, "")
    assert ".git/HEAD" not in remote(workshop, address)[0]
    assert ".git/HEAD" in remote(workshop, address, keep_git_dir=True)[0]


def test_a_file_that_nobody_waits_for(workshop: Workshop) -> None:
    """One that drips on and on is let go of when the build is."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.transport.abort()
        over.set()

    over = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        fetches = Fetches(workshop.world.content, workshop.world.folder / "git", {})
        async with server, AsyncExitStack() as held:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await fetches.remote(f"http://127.0.0.1:{port}/f", NoAgents(), held)
            await over.wait()

    asyncio.run(run())
    assert list((workshop.world.folder / "content" / "ingest").iterdir()) == []
