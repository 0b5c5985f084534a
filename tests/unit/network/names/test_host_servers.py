from pathlib import Path

import pytest

from carrack.network.names import host_servers
from carrack.network.names.host_servers import HostServers


def test_servers_of_a_file() -> None:
    text = "# one\nnameserver 10.0.0.1 # mine\n;nameserver 10.0.0.9\nsearch a.b\nnameserver ::1\nnameserver\n"
    assert host_servers.servers(text) == ("10.0.0.1", "::1")
    assert host_servers.servers("nameserver 1.1.1.1\n" * 3) == ("1.1.1.1",)
    assert host_servers.servers("".join(f"nameserver 10.0.0.{n}\n" for n in range(9))) == (
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.2",
    )


def test_without_any_the_local_one_is_asked() -> None:
    assert host_servers.servers("search a\n") == ("127.0.0.1",)


def test_a_changed_file_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_servers, "_PAUSE", 0.0)
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\n")
    host = HostServers(str(file))
    assert host.current() == ("10.0.0.1",)
    file.with_suffix(".new").write_text("nameserver 10.0.0.2\n")
    file.with_suffix(".new").rename(file)
    assert host.current() == ("10.0.0.2",)
    file.unlink()
    assert host.current() == ("10.0.0.2",)  # being replaced just now


def test_a_file_is_looked_at_once_in_a_while(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\n")
    host = HostServers(str(file))
    host.current()
    file.write_text("nameserver 10.0.0.2\n")
    assert host.current() == ("10.0.0.1",)
