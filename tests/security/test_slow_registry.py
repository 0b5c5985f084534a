"""A registry that stalls, or sends so slowly that it might as well: nobody waits for it for ever."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.security.registry_world import ANONYMOUS, LAYER, ask, blob_of

from carrack.errors import CarrackError
from carrack.oci.descriptor import Descriptor
from carrack.registry import dial
from carrack.registry.exchange import Connection
from carrack.registry.failures import Interrupted
from carrack.registry.head import Malformed
from carrack.registry.repository import Repository

pytestmark = pytest.mark.alone

GIB = 1 << 30
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DATA = bytes(range(256)) * 400


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr(dial, "PATIENCE", 0.4)
    with FakeRegistry() as started:
        yield started


@pytest.mark.parametrize("fault", [
    Fault("/manifests/", stall=30, times=None),
    Fault("/manifests/", status=200, fill=GIB, stall=30, stall_after=100, times=None),
    Fault("/manifests/", status=200, fill=GIB, speed=60, times=None),
    Fault("/manifests/", status=200, fill=GIB, speed=60, chunked=True, times=None),
    Fault("/manifests/", status=500, fill=GIB, speed=60, times=None),
    Fault("/manifests/", status=401, fill=GIB, speed=60, times=None),
], ids=lambda fault: f"{fault.status} {fault.speed or fault.stall_after}")  # fmt: skip
def test_a_slow_answer_ends(registry: FakeRegistry, fault: Fault) -> None:
    registry.faults, begun = [fault], time.monotonic()
    with pytest.raises(CarrackError) as caught:
        ask(registry, lambda repository: repository.manifest("1"), credentials=ANONYMOUS, attempts=1)
    assert registry.host in str(caught.value)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("how", [{"stall": 30, "stall_after": 5000}, {"speed": 200}])
def test_a_slow_blob_is_interrupted_and_goes_on(registry: FakeRegistry, how: dict[str, int]) -> None:
    digest, got = registry.content.put_blob("app", DATA), bytearray()
    registry.faults = [Fault("/blobs/", **how)]  # type: ignore[arg-type]

    async def work(repository: Repository) -> None:
        async with repository.blob(Descriptor(LAYER, digest, len(DATA))) as stream:
            async for piece in stream:
                got.extend(piece)

    with pytest.raises(Interrupted):
        ask(registry, work, credentials=ANONYMOUS, attempts=1)
    assert 0 < len(got) < len(DATA)
    rest = ask(registry, lambda repository: blob_of(repository, digest, len(DATA), len(got)), credentials=ANONYMOUS)
    assert bytes(got) + rest == DATA


class Pieces:
    """A channel that has said everything already."""

    def __init__(self, data: bytes, step: int) -> None:
        self._pieces = deque(data[at : at + step] for at in range(0, len(data), step))

    async def receive(self, patience: float, want: int = 1) -> bytes:
        return self._pieces.popleft() if self._pieces else b""

    def ready(self) -> bytes | None:
        return None

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("step", [4, 1000, 1 << 20])
def test_chunks_of_one_byte_cost_no_more_than_they_are_worth(step: int) -> None:
    """A mebibyte of answer, read within the time that others of the loop can do without us."""
    data = CHUNKED + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n"

    async def main() -> int:
        answer = await Connection(Pieces(data, step), 60).ask("GET", "/", {}, b"")
        async with answer:
            return len(await answer.read(1 << 20))

    begun = time.process_time()
    assert asyncio.run(main()) == 40_000
    assert time.process_time() - begun < 2


ENDLESS = {
    "fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000,
    "empty lines": b"\r\n" * 200_000,
    "trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * 200_000,
}


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_a_head_without_end_is_left_early(data: bytes) -> None:
    class Counted(Pieces):
        read = 0

        async def receive(self, patience: float, want: int = 1) -> bytes:
            piece = await super().receive(patience)
            self.read += len(piece)
            return piece

    channel = Counted(data, 1000)

    async def main() -> None:
        answer = await Connection(channel, 60).ask("GET", "/", {}, b"")
        async with answer:
            await answer.read(1 << 20)

    with pytest.raises(Malformed):
        asyncio.run(main())
    assert channel.read < 200_000
