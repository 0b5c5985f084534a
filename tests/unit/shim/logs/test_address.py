from __future__ import annotations

import shutil
import socket
import ssl
import time
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import address
from carrack.shim.logs.address import DialError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("host", ("host", 9)), ("h:1", ("h", 1)), ("[::1]", ("::1", 9)), ("[::1]:2", ("::1", 2)), ("", ("localhost", 9))],
)
def test_hosts_and_ports(text: str, expected: tuple[str, int]) -> None:
    assert address.host_port(text, 9) == expected


@pytest.mark.parametrize("text", ["h:x", "h:70000", "::1", "[::1", "[::1]x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument):
        address.host_port(text, 9)


def test_schemes() -> None:
    assert address.split_scheme("tcp://a:1") == ("tcp", "a:1")
    assert address.split_scheme("a:1") == ("", "a:1")


def test_refusals_read_as_gos(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(DialError, match=f"^dial tcp 127.0.0.1:{port}: connect: connection refused$"):
            address.dial("tcp", ("127.0.0.1", port))
    path = str(tmp_path / "none")
    with pytest.raises(DialError, match=f"^dial unix {path}: connect: no such file or directory$"):
        address.dial("unix", path)
    with pytest.raises(DialError, match=r"^dial udp: lookup no.such.invalid: no such host"):
        address.dial("udp", ("no.such.invalid", 1))


def test_a_connection_that_the_other_end_closed_is_noticed() -> None:
    with servers.tcp() as server:
        sock = address.dial("tcp", ("127.0.0.1", server.port))
        sock.sendall(b"x")
        server.wait(lambda got: got == [b"x"])
        assert not address.gone(sock)
        server.connections[0].shutdown(socket.SHUT_RDWR)
        sock.settimeout(10)
        sock.recv(1, socket.MSG_PEEK)
        assert address.gone(sock)
        sock.close()


def test_the_end_of_a_tls_connection_is_noticed(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("the openssl command makes the certificates")
    keys = certificates.make(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(keys.server, keys.server_key)
    context = address.tls_context(str(keys.authority), "", "", verify=True)
    with servers.tcp(tls=serving) as server:
        sock = address.dial("tcp", ("127.0.0.1", server.port), context, "localhost")
        sock.sendall(b"x")
        server.wait(lambda got: got == [b"x"])
        assert not address.gone(sock)
        server.ended.set()
        sock.settimeout(10)
        while not address.gone(sock):
            time.sleep(0.01)
        sock.close()
        with pytest.raises(DialError, match="tls: failed to verify certificate"):
            address.dial("tcp", ("127.0.0.1", server.port), context, "elsewhere")


def test_files_of_tls_are_named(tmp_path: Path) -> None:
    with pytest.raises(DialError, match='could not read CA certificate "/no/ca": open /no/ca: no such file'):
        address.tls_context("/no/ca", "", "", verify=True)
    with pytest.raises(DialError, match="Could not load X509 key pair: open /no/cert: no such file"):
        address.tls_context("", "/no/cert", "/no/key", verify=True)
