"""The program: its flags, its sockets, its signals."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes.own_registry import Client

from carrack.cli.commands.registry import SERVE
from carrack.errors import InvalidArgument
from carrack.registry_server import main as module
from carrack.registry_server import passwords as passwords_module
from carrack.registry_server.config import Proxy, Settings
from carrack.registry_server.main import bind, main, serve, tls_context, warnings


def _settings(*flags: str) -> Settings:
    return module._settings(module._parser().parse_args(["serve", *flags]))


def test_flags_go_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('root = "/srv/x"\nlisten = ["a:1"]\nread-only = true\n[auth]\nhtpasswd = "h"\n')
    settings = _settings("--config", str(path), "--root", "/srv/y", "--tokens")
    assert (settings.root, settings.listen, settings.read_only) == (Path("/srv/y"), ("a:1",), True)
    assert (settings.htpasswd, settings.tokens) == ("h", True)
    assert _settings() == Settings()
    assert _settings("--proxy", "https://x").proxy == Proxy("https://x")
    assert _settings("--listen", "a:1", "--listen", "b:2").listen == ("a:1", "b:2")


def test_every_flag_of_the_command_is_taken() -> None:
    values = {"string": "--{}=info", "list": "--{}=x", "bool": "--{}"}
    parsed = module._parser().parse_args(["serve", *(values[kind].format(name) for name, _, kind, _ in SERVE.flags)])
    assert {flag[0].replace("-", "_") for flag in SERVE.flags} == vars(parsed).keys() - {"verb"}
    assert all(vars(parsed).values())


@pytest.mark.parametrize("address", ["", "x", "x:", "x:y", "x:99999", "x:-1"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(InvalidArgument, match="no address"):
        bind(address)


def test_what_is_warned_of() -> None:
    assert [text.split(":")[0] for text in warnings(Settings())] == ["whoever reaches it may push and delete"]
    assert warnings(Settings(read_only=True)) == warnings(Settings(access=())) == []
    assert warnings(Settings(htpasswd="users", certificate="cert.pem", key="key.pem")) == []
    assert [text.split(":")[0] for text in warnings(Settings(htpasswd="users"))] == [
        "passwords cross the network readably"
    ]


def test_sockets(tmp_path: Path) -> None:
    path = tmp_path / "s"
    families = {"127.0.0.1:0": socket.AF_INET, ":0": socket.AF_INET6, f"unix://{path}": socket.AF_UNIX}
    for address, family in families.items():
        with bind(address) as sock:
            assert sock.family == family
    with bind(f"unix://{path}"):
        pass
    (tmp_path / "precious").write_text("no socket")
    with pytest.raises(OSError, match="in use"):
        bind(f"unix://{tmp_path}/precious")
    assert (tmp_path / "precious").read_text() == "no socket"
    with bind("127.0.0.1:0") as sock:
        sock.listen()
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(OSError, match="in use") as caught:
            bind(address)
        assert caught.value.filename == address


def test_no_certificate_names_the_files(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("nonsense")
    with pytest.raises(OSError, match=r"c with the key"):
        tls_context(Settings(certificate=str(tmp_path / "c"), key=str(tmp_path / "k")))
    assert tls_context(Settings()) is None


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["serve", "--config", "/no/such"], 1, "No such file"),
        (["serve", "--tls-cert", "x"], 1, "needs both"),
        (["serve", "--listen", "x"], 1, "no address"),
    ],
)
def test_failures_are_told(flags: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = os.umask(0o022)
    try:
        assert main(flags) == code
    finally:
        os.umask(old)
    assert words in capsys.readouterr().err


def test_a_password_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(passwords_module, "COST", 4)
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert main(["password", "alice"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("alice:$2y$04$")
    assert passwords_module.parse(printed, "x").keys() == {"alice"}


def test_it_serves_with_tls_until_it_is_stopped(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    path = tmp_path / "sock"
    settings = Settings(
        root=tmp_path / "root", listen=(f"unix://{path}",), certificate=str(made.server), key=str(made.server_key)
    )
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(settings, stop))
    old = os.umask(0o022)
    try:
        thread.start()
        for _ in range(200):
            if path.exists():
                break
            time.sleep(0.01)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as plain:
            for _ in range(200):
                with contextlib.suppress(ConnectionRefusedError):
                    plain.connect(str(path))
                    break
                time.sleep(0.01)
            wire = made.client_context(anonymous=True).wrap_socket(plain, server_hostname="localhost")
            wire.sendall(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
            assert wire.recv(1000).startswith(b"HTTP/1.1 200")
            assert wire.version() in ("TLSv1.2", "TLSv1.3")
            wire.close()
    finally:
        stop.set()
        thread.join(10)
        os.umask(old)
    assert not thread.is_alive()


def test_the_program_obeys_its_signals(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        *("serve", "--root", str(tmp_path / "root"), "--listen", f"127.0.0.1:{port}"),
        *("--tls-cert", str(made.server), "--tls-key", str(made.server_key)),
    ]
    program = [sys.executable, "-c", "from carrack.registry_server.main import main; raise SystemExit(main())", *words]
    child = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert child.stderr is not None
    with child.stderr:
        assert f"listens on https://127.0.0.1:{port}" in child.stderr.readline()
        context = ssl.create_default_context(cafile=str(made.authority))
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            wire.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.0 200")
        for number, words_ in ((signal.SIGHUP, "certificate was read again"), (signal.SIGUSR1, "collected 0 tags")):
            child.send_signal(number)
            assert words_ in child.stderr.readline()
        child.send_signal(signal.SIGTERM)
        assert "stops" in child.stderr.readline()
        assert child.wait(10) == 0


def test_clients_see_their_pushes(tmp_path: Path) -> None:
    """All the way: flags to a registry that is pushed to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stop = threading.Event()
    settings = _settings("--root", str(tmp_path / "root"), "--listen", f"127.0.0.1:{port}")
    old = os.umask(0o022)
    thread = threading.Thread(target=serve, args=(settings, stop))
    thread.start()
    try:
        for _ in range(200):
            with contextlib.suppress(ConnectionRefusedError):
                client = Client(port)
                client.push_image("a", "v1")
                client.http.close()
                break
            time.sleep(0.01)
        assert (tmp_path / "root" / "repositories" / "a" / "_tags" / "v1").exists()
    finally:
        stop.set()
        thread.join(10)
        os.umask(old)
