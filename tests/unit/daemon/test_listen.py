"""Opening the daemon's sockets."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fakes import certificates

from carrack.daemon.address import parse_host
from carrack.daemon.config import Config, Tls
from carrack.daemon.listen import names, open_endpoints, socket_group, tls_context, warnings
from carrack.errors import Conflict, InvalidArgument


def config(*hosts: str, tls: Tls | None = None, fds: tuple[int, ...] = ()) -> Config:
    group = str(os.getgid())
    return Config(addresses=tuple(parse_host(host) for host in hosts), group=group, tls=tls, listen_fds=fds)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the socket to root")
def test_a_unix_socket_is_for_its_group_and_goes_with_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.sock"
    with ExitStack() as stack:
        (endpoint,) = open_endpoints(config(f"unix://{path}"), stack)
        found = path.lstat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert endpoint.tls is None
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the socket to root")
def test_a_stale_socket_is_replaced_a_live_one_and_a_file_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
        old.listen()
        with ExitStack() as stack, pytest.raises(Conflict, match="another daemon is listening"):
            open_endpoints(config(f"unix://{path}"), stack)
    with ExitStack() as stack:
        assert open_endpoints(config(f"unix://{path}"), stack)
        # What somebody else has put there meanwhile is not ours to remove.
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"
    with ExitStack() as stack, pytest.raises(Conflict, match="not a socket"):
        open_endpoints(config(f"unix://{path}"), stack)


def test_tcp_is_served_with_tls_and_an_address_in_use_is_named(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    tls = Tls(made.authority, made.server, made.server_key)
    with ExitStack() as stack:
        (endpoint,) = open_endpoints(config("tcp://127.0.0.1:0", tls=tls), stack)
        assert endpoint.tls is not None
        port = endpoint.socket.getsockname()[1]
        with ExitStack() as other, pytest.raises(Conflict, match=f"tcp://127.0.0.1:{port} is in use"):
            open_endpoints(config(f"tcp://127.0.0.1:{port}", tls=tls), other)


def test_names_and_warnings_of_tcp_addresses(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    verified = config("tcp://build.example.org:1", tls=Tls(made.authority, made.server, made.server_key))
    assert names(verified) == [socket.gethostname(), "build.example.org", "localhost"]
    assert warnings(verified) == []
    (told,) = warnings(config("unix:///x", "tcp://127.0.0.1:1", tls=Tls(None, made.server, made.server_key)))
    assert told.startswith("WARNING: API is accessible on https://127.0.0.1:1 without TLS client verification.")
    (told,) = warnings(config("tcp://127.0.0.1:1"))
    assert told.startswith("WARNING: API is accessible on http://127.0.0.1:1 without encryption.")


def test_tls_files_are_named_when_they_are_missing_or_wrong(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    with pytest.raises(InvalidArgument, match=r"nope\.pem"):
        tls_context(Tls(made.authority, tmp_path / "nope.pem", made.server_key))
    with pytest.raises(InvalidArgument, match="could not load the TLS certificate"):
        tls_context(Tls(made.authority, made.server, made.client_key))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(InvalidArgument, match="certificate authority"):
        tls_context(Tls(tmp_path / "empty.pem", made.server, made.server_key))


def test_sockets_from_systemd(tmp_path: Path) -> None:
    given = socket.socket(socket.AF_UNIX)
    given.bind(str(tmp_path / "s"))
    given.listen()
    number = given.detach()
    os.set_inheritable(number, True)
    with ExitStack() as stack:
        (endpoint,) = open_endpoints(config("fd://", fds=(number,)), stack)
        assert endpoint.socket.fileno() == number
        assert not os.get_inheritable(number)
    with ExitStack() as stack, pytest.raises(InvalidArgument, match="systemd's socket unit"):
        open_endpoints(config("fd://"), stack)
    with ExitStack() as stack, pytest.raises(InvalidArgument, match="no such socket was passed"):
        open_endpoints(config("fd://9", fds=(number,)), stack)


@pytest.mark.parametrize("kind", ["not listening", "datagram", "tcp without TLS"])
def test_other_descriptors_are_refused(tmp_path: Path, kind: str) -> None:
    if kind == "tcp without TLS":
        given = socket.create_server(("127.0.0.1", 0))
    else:
        given = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    number = given.detach()
    with ExitStack() as stack, pytest.raises(InvalidArgument, match=f"fd://{number}"):
        open_endpoints(config("fd://", fds=(number,)), stack)


def test_groups() -> None:
    assert socket_group("0") == 0
    assert socket_group("root") == 0
    with pytest.raises(InvalidArgument, match="no-such-group"):
        socket_group("no-such-group")
