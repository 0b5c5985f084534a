import errno
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from tests.fakes.nftables import FakeNftables

from carrack.errors import Conflict, NotFound, Unavailable
from carrack.model.ports import PublishedPort
from carrack.network.bindings import Way
from carrack.network.firewall import Firewall
from carrack.network.ports import PortAllocator
from carrack.network.publishing import Publisher

FREE = PortAllocator()


class NoConntrack:
    def forget(self, stale: object, family: int = 0) -> None:
        pass


class Scene:
    def __init__(self, relay: Callable[[list[Any]], None] | None = None) -> None:
        self.nft = FakeNftables()
        self.firewall = Firewall(self.nft, "t")
        self.firewall.install([])
        conntrack: Any = NoConntrack()
        self.publisher = Publisher(self.firewall, conntrack, PortAllocator(), relay)

    def open(self) -> list[tuple[int, str]]:
        """(host port, container address) of what the kernel leads on."""
        found = self.nft.tables["t"].maps["published"]
        return sorted(
            (int.from_bytes(key[0][4:6], "big"), ".".join(map(str, value[:4]))) for key, value in found.items()
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def free_port() -> str:
    got = FREE.reserve("tcp", ["0.0.0.0"], "")
    os.close(got.fds[0])
    return str(got.port)


def free_range(count: int) -> int:
    """The first of ``count`` ports that nobody has, below those that the kernel gives to connections by itself."""
    for first in range(12_000 + os.getpid() % 100 * 100, 32_000, count):
        with suppress(Unavailable), ExitStack() as held:
            for port in range(first, first + count):
                held.callback(close, list(PortAllocator().reserve("tcp", ["0.0.0.0", "::"], str(port)).fds))
            return first
    raise AssertionError(f"no {count} free ports")


def close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def test_ports_are_opened_moved_and_closed(scene: Scene) -> None:
    port = free_port()
    done = scene.publisher.publish(
        "c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("80/tcp", "", port)], ["90/tcp"]
    )
    close(done.fds)
    assert done.ports == {"90/tcp": None, "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": port}]}
    assert scene.open() == [(int(port), "10.9.0.2")]
    scene.publisher.move("c1", Way("10.8.0.2", "", ipv6=False))
    assert scene.open() == [(int(port), "10.8.0.2")]
    with pytest.raises(Conflict, match="already allocated"):
        scene.publisher.publish("c2", Way("10.9.0.3", "", ipv6=False), [PublishedPort("80/tcp", "", port)])
    scene.publisher.withdraw("c1")
    scene.publisher.withdraw("c1")
    scene.publisher.move("c1", Way("10.9.0.2", "", ipv6=False))
    assert scene.open() == []


def test_ports_of_a_running_container_come_and_go(scene: Scene) -> None:
    first, second = free_port(), free_port()
    close(scene.publisher.publish("c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("80/tcp", "", first)]).fds)
    done = scene.publisher.republish(
        "c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("81/tcp", "", second)], [f"{first}:80/tcp"]
    )
    close(done.fds)
    assert done.ports == {"81/tcp": [{"HostIp": "0.0.0.0", "HostPort": second}]}
    assert scene.open() == [(int(second), "10.9.0.2")]
    with pytest.raises(NotFound, match="port 80 is not published"):
        scene.publisher.republish("c1", Way("10.9.0.2", "", ipv6=False), [], ["80"])
    with pytest.raises(Conflict):
        scene.publisher.republish("c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("82/tcp", "", second)], [])
    assert scene.open() == [(int(second), "10.9.0.2")]


def test_ports_of_survivors_are_taken_again(scene: Scene) -> None:
    port = free_port()
    scene.publisher.adopt(
        "c1", Way("10.9.0.2", "", ipv6=False), {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": port}], "90/tcp": None}
    )
    scene.firewall.install([])
    assert scene.open() == [(int(port), "10.9.0.2")]
    scene.publisher.withdraw("c1")
    assert scene.open() == []


def test_a_firewall_that_refuses_leaves_nothing_published(scene: Scene) -> None:
    port = free_port()
    scene.nft.refuse = errno.EPERM
    with pytest.raises(PermissionError):
        scene.publisher.publish("c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("80/tcp", "", port)])
    assert scene.open() == []
    done = scene.publisher.publish("c2", Way("10.9.0.3", "", ipv6=False), [PublishedPort("80/tcp", "", port)])
    close(done.fds)
    scene.nft.refuse = errno.EPERM
    with pytest.raises(PermissionError):
        scene.publisher.republish("c2", Way("10.9.0.3", "", ipv6=False), [], ["80"])
    assert scene.open() == [(int(port), "10.9.0.3")]
    with pytest.raises(Conflict):
        scene.publisher.publish("c1", Way("10.9.0.2", "", ipv6=False), [PublishedPort("80/tcp", "", port)])


def test_a_long_range_is_bound_afterwards_and_told_to_the_relay() -> None:
    told: list[list[Any]] = []
    scene = Scene(told.append)
    first = free_range(100)
    wanted = [PublishedPort(f"{80 + n}/tcp", "", str(first + n)) for n in range(100)]
    way = Way("10.9.0.2", "")
    done = scene.publisher.publish("c1", way, wanted, name="web")
    assert done.later
    assert len(done.fds) == 2, "its ends are held at once"
    assert told == [[("tcp", "::", first, "10.9.0.2", 80, 100)]]
    bound = scene.publisher.bind("c1")
    assert len(bound) == 98
    assert scene.publisher.bind("c1") == []
    with pytest.raises(Unavailable):
        PortAllocator().reserve("tcp", ["0.0.0.0"], str(first + 50))
    changed = scene.publisher.republish("c1", way, [], [f"{first + 50}:130/tcp"])
    assert changed.later
    assert changed.gone == (("tcp", ("0.0.0.0", "::"), first + 50),)
    close(list(PortAllocator().reserve("tcp", ["0.0.0.0"], str(first + 50)).fds))
    scene.publisher.bind("c1")
    scene.publisher.withdraw("c1")
    close(done.fds)
    assert told[-1] == []
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(bound[0])
    close(list(PortAllocator().reserve("tcp", ["0.0.0.0", "::"], str(first + 51)).fds))
