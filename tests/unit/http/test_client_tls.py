from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.http.client import Connection
from carrack.http.client_tls import TlsSocket, client_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the openssl command makes the certificate")
    return cert, key


def test_half_close_under_tls(certificate: tuple[str, str]) -> None:
    """Output that follows the client's close-notify still arrives."""
    cert, key = certificate
    ours, theirs = socket.socketpair()
    got: list[bytes] = []

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)

        def step(action: object) -> object:
            while True:
                try:
                    result = action()  # type: ignore[operator]
                    theirs.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    theirs.sendall(outgoing.read())
                    incoming.write(theirs.recv(65536))

        step(tls.do_handshake)
        got.append(step(lambda: tls.read(5)))  # type: ignore[arg-type]
        got.append(step(lambda: tls.read(5)))  # type: ignore[arg-type]
        step(lambda: tls.write(b"after" * 100000))
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    tls = TlsSocket(ours, client_context(cert, None, None, verify=True), "localhost")
    tls.sendall(b"hello")
    tls.shutdown(socket.SHUT_WR)
    received = b""
    while data := tls.recv(65536):
        received += data
    thread.join(10)
    tls.close()
    assert got == [b"hello", b""]
    assert received == b"after" * 100000


def test_a_server_that_is_not_trusted_is_refused(certificate: tuple[str, str]) -> None:
    cert, key = certificate
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        for _ in range(2):
            connection, _address = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(4096)
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(listener.getsockname()) as sock, pytest.raises(ssl.SSLError):
        TlsSocket(sock, client_context(None, None, None, verify=True), "localhost")
    with socket.create_connection(listener.getsockname()) as sock:
        tls = TlsSocket(sock, client_context(None, None, None, verify=False), "other")
        assert Connection(tls).request("GET", "/_ping").read() == b"ok"
        tls.close()
    thread.join(10)
    listener.close()


def test_the_authority_given_is_the_only_one_and_may_be_as_docker_s_manual_makes_it(
    certificate: tuple[str, str],
) -> None:
    context = client_context(certificate[0], None, None, verify=True)
    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "localhost"),),)]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_files_that_cannot_be_used(tmp_path: Path, certificate: tuple[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="cannot use the TLS files"):
        client_context(str(tmp_path / "none.pem"), None, None, verify=True)
    with pytest.raises(InvalidArgument, match="together"):
        client_context(None, certificate[0], None, verify=True)
