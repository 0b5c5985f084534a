"""Logging drivers that send messages away, seen at the servers they send to; and ``docker logs`` beside them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually
from tests.fakes import certificates, log_servers
from tests.fakes.certificates import Certificates

from carrack.shim.logs.msgpack import pack, unpack

pytestmark = pytest.mark.root
TALK = "echo out; echo err >&2; printf tail"
CHOICE = [
    "--label",
    "a=x y",
    "-e",
    "E=ev",
    "--log-opt",
    "labels=a",
    "--log-opt",
    "env=E",
    "--log-opt",
    "tag=t/{{.Name}}",
]


def opts(**options: str) -> list[str]:
    return [word for name, value in options.items() for word in ("--log-opt", f"{name.replace('_', '-')}={value}")]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if not shutil.which("openssl"):
        pytest.skip("the openssl command makes the certificates")
    return certificates.make(tmp_path_factory.mktemp("keys"))


def serving(keys: Certificates, *, ask: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server, keys.server_key)
    if ask:
        context.load_verify_locations(keys.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def document(cli: Cli, name: str) -> dict[str, Any]:
    status, body = api(cli.daemon, "GET", f"/containers/{name}/json")
    assert status == 200
    return dict(json.loads(body))


@pytest.mark.census(
    "log-driver syslog", "log-driver syslog syslog-address", "log-driver syslog syslog-facility",
    "log-driver syslog tag", "log-driver syslog labels", "log-driver syslog env",
)  # fmt: skip
def test_syslog_over_udp_and_what_docker_logs_shows(cli: Cli, image: str) -> None:
    with log_servers.udp() as server:
        options = opts(syslog_address=f"udp://127.0.0.1:{server.port}", syslog_facility="local3")
        cli("run", "--name", "away", "--log-driver", "syslog", *options, *CHOICE, image, "sh", "-c", TALK)
        got = sorted(server.wait(lambda got: len(got) == 3))
    heads = [re.match(rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d t/away\[\d+\]: (.*)\n$", data) for data in got]
    assert [head and head.groups() for head in heads] == [(b"155", b"err"), (b"158", b"out"), (b"158", b"tail")]
    done = cli("logs", "away")
    assert (done.stdout, done.stderr) == ("out\ntail", "err\n")
    assert cli("logs", "-f", "--tail", "0", "away").stdout == ""


@pytest.mark.census("log-driver syslog syslog-format")
@pytest.mark.parametrize(
    ("style", "pattern"),
    [
        ("rfc3164", rb"<30>... .. ..:..:.. \S+ [0-9a-f]{12}\[\d+\]: out"),
        ("rfc5424", rb"<30>1 \d{4}-..-..T..:..:..(Z|[+-]..:..) \S+ ([0-9a-f]{12}) \d+ \2 - out"),
        ("rfc5424micro", rb"<30>1 \d{4}-..-..T..:..:..\.\d{6}(Z|[+-]..:..) \S+ ([0-9a-f]{12}) \d+ \2 - out"),
    ],
)
def test_syslog_formats_over_tcp(docker: Cli, image: str, style: str, pattern: bytes) -> None:
    with log_servers.tcp() as server:
        options = opts(syslog_address=f"tcp://127.0.0.1:{server.port}", syslog_format=style)
        docker("run", "--log-driver", "syslog", *options, image, "echo", "out")
        assert re.fullmatch(pattern + rb"\n", server.wait(lambda got: bool(got) and got[0].endswith(b"out\n"))[0])


@pytest.mark.parametrize("scheme", ["unix", "unixgram"])
def test_syslog_over_sockets_of_the_host(docker: Cli, image: str, tmp_path: Path, scheme: str) -> None:
    path = f"/tmp/crk-log-{os.getpid()}"
    try:
        with log_servers.unix(path, socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM) as server:
            docker("run", "--log-driver", "syslog", *opts(syslog_address=f"{scheme}://{path}"), image, "echo", "out")
            assert server.wait(lambda got: b"]: out\n" in b"".join(got))
    finally:
        Path(path).unlink(missing_ok=True)


@pytest.mark.census(
    "log-driver syslog syslog-tls-ca-cert", "log-driver syslog syslog-tls-cert", "log-driver syslog syslog-tls-key",
    "log-driver syslog syslog-tls-skip-verify",
)  # fmt: skip
def test_syslog_over_tls(docker: Cli, image: str, keys: Certificates) -> None:
    mine = {"syslog_tls_cert": str(keys.client), "syslog_tls_key": str(keys.client_key)}
    with log_servers.tcp(tls=serving(keys, ask=True)) as server:
        where = {"syslog_address": f"tcp+tls://127.0.0.1:{server.port}", "syslog_format": "rfc5424"}
        whole = opts(**where, **mine, syslog_tls_ca_cert=str(keys.authority))
        docker("run", "--log-driver", "syslog", *whole, image, "echo", "out")
        (data,) = server.wait(lambda got: bool(got) and got[0].endswith(b"out\n"))
        size, _, message = data.partition(b" ")
        assert int(size) == len(message)
        refused = docker("run", "--log-driver", "syslog", *opts(**where, **mine), image, "true", check=False)
        assert "failed to initialize logging driver: tls: failed to verify certificate" in refused.stderr
    with log_servers.tcp(tls=serving(keys)) as server:
        where = {"syslog_address": f"tcp+tls://127.0.0.1:{server.port}", "syslog_tls_skip_verify": "true"}
        docker("run", "--log-driver", "syslog", *opts(**where), image, "echo", "trusting")
        server.wait(lambda got: b"trusting\n" in b"".join(got))


@pytest.mark.census(
    "log-driver gelf", "log-driver gelf gelf-address", "log-driver gelf gelf-compression-type",
    "log-driver gelf gelf-compression-level", "log-driver gelf tag", "log-driver gelf labels", "log-driver gelf env",
)  # fmt: skip
@pytest.mark.parametrize(
    ("options", "wbits"),
    [
        ({}, 31),
        ({"gelf_compression_type": "zlib", "gelf_compression_level": "9"}, 15),
        ({"gelf_compression_type": "none"}, 0),
    ],
)
def test_gelf_over_udp(docker: Cli, image: str, options: dict[str, str], wbits: int) -> None:
    with log_servers.udp() as server:
        words = opts(gelf_address=f"udp://127.0.0.1:{server.port}", **options)
        docker("run", "--name", "gray", "--log-driver", "gelf", *words, *CHOICE, image, "sh", "-c", TALK)
        got = server.wait(lambda got: len(got) == 3)
    found = {m["short_message"]: m for m in (json.loads(zlib.decompress(d, wbits) if wbits else d) for d in got)}
    assert {text: m["level"] for text, m in found.items()} == {"out": 6, "err": 3, "tail": 6}
    message, shown = found["out"], document(docker, "gray")
    assert (message["_tag"], message["_a"], message["_E"]) == ("t/gray", "x y", "ev")
    assert (message["_container_id"], message["_container_name"]) == (shown["Id"], "gray")
    assert (message["_image_id"], message["_image_name"]) == (shown["Image"], image)
    assert message["_command"] == f"sh -c {TALK}"
    assert docker("logs", "gray").stdout == "out\ntail"


def test_long_gelf_messages_come_in_chunks(docker: Cli, image: str) -> None:
    with log_servers.udp() as server:
        words = opts(gelf_address=f"udp://127.0.0.1:{server.port}", gelf_compression_type="none")
        docker("run", "--log-driver", "gelf", *words, image, "seq", "-s", "-", "1", "3000")
        got = server.wait(lambda got: bool(got) and len(got) == got[0][11])
    whole = b"".join(data[12:] for data in sorted(got, key=lambda data: data[10]))
    assert json.loads(whole)["short_message"] == "-".join(map(str, range(1, 3001)))


@pytest.mark.census("log-driver gelf gelf-tcp-max-reconnect", "log-driver gelf gelf-tcp-reconnect-delay")
def test_gelf_over_tcp_comes_again(docker: Cli, image: str) -> None:
    with log_servers.tcp() as server:
        port = server.port
        words = opts(gelf_address=f"tcp://127.0.0.1:{port}", gelf_tcp_max_reconnect="20", gelf_tcp_reconnect_delay="1")
        script = "echo one; read x; echo two"
        docker("run", "-di", "--name", "again", "--log-driver", "gelf", *words, image, "sh", "-c", script)
        server.wait(lambda got: bool(got) and b'"one"' in got[0])
        server.connections[0].shutdown(socket.SHUT_RDWR)
    docker("attach", "again", stdin="go\n")
    with log_servers.tcp(port=port) as server:
        server.wait(lambda got: b'"two"' in b"".join(got))


def forwarded(data: bytes) -> list[list[Any]]:
    """The messages of a stream in the forward protocol."""
    found = []
    while (value := unpack(data)) is not None:
        found.append(value[0])
        data = data[value[1] :]
    return found


@pytest.mark.census(
    "log-driver fluentd", "log-driver fluentd fluentd-address", "log-driver fluentd tag", "log-driver fluentd labels",
    "log-driver fluentd env", "log-driver fluentd fluentd-sub-second-precision",
)  # fmt: skip
@pytest.mark.parametrize("fine", ["true", "false"])
def test_fluentd(docker: Cli, image: str, fine: str) -> None:
    with log_servers.tcp() as server:
        words = opts(fluentd_address=f"127.0.0.1:{server.port}", fluentd_sub_second_precision=fine)
        docker("run", "--name", "flu", "--log-driver", "fluentd", *words, *CHOICE, image, "sh", "-c", TALK)
        got = forwarded(server.wait(lambda got: bool(got) and len(forwarded(got[0])) == 3)[0])
    assert {tag for tag, *_ in got} == {"t/flu"}
    assert all(isinstance(when, tuple) == (fine == "true") for _, when, *_ in got)
    records = {record["log"]: record for _, _, record, _ in got}
    assert {text: record["source"] for text, record in records.items()} == {
        "out": "stdout",
        "err": "stderr",
        "tail": "stdout",
    }
    assert records["out"] == {
        "container_id": document(docker, "flu")["Id"], "container_name": "/flu", "source": "stdout", "log": "out",
        "a": "x y", "E": "ev",
    }  # fmt: skip
    assert records["tail"]["partial_message"] == "true"
    assert docker("logs", "flu").stdout == "out\ntail"


@pytest.mark.census("log-driver fluentd fluentd-request-ack", "log-driver fluentd fluentd-read-timeout")
def test_fluentd_acknowledges(docker: Cli, image: str) -> None:
    """The first answer never comes: the message is sent again after the timeout."""
    asked: list[str] = []

    def answer(data: bytes) -> bytes:
        asked.append(forwarded(data)[0][3]["chunk"])
        return pack({"ack": asked[-1]}) if len(asked) > 1 else b""

    with log_servers.tcp(answer) as server:
        address = f"127.0.0.1:{server.port}"
        words = opts(
            fluentd_address=address, fluentd_request_ack="true", fluentd_read_timeout="100ms", fluentd_retry_wait="10ms"
        )
        docker("run", "--log-driver", "fluentd", *words, image, "echo", "sure")
        server.wait(lambda got: len(got) == 2)
        eventually(lambda: len(asked) == 2)
    assert asked[0] == asked[1]


@pytest.mark.census(
    "log-driver fluentd fluentd-async", "log-driver fluentd fluentd-retry-wait",
    "log-driver fluentd fluentd-async-reconnect-interval",
)  # fmt: skip
def test_fluentd_may_come_late(docker: Cli, image: str) -> None:
    path = f"/tmp/crk-fluent-{os.getpid()}"
    words = opts(fluentd_address=f"unix://{path}", fluentd_async="true", fluentd_retry_wait="50ms")
    words += opts(fluentd_async_reconnect_interval="100ms")
    docker(
        "run",
        "-d",
        "--name",
        "early",
        "--log-driver",
        "fluentd",
        *words,
        image,
        "sh",
        "-c",
        "echo one; sleep 1; echo two",
    )
    eventually(lambda: docker("logs", "early").stdout.startswith("one\n"))
    try:
        with log_servers.unix(path) as server:
            got = server.wait(lambda got: b"\xa3one" in b"".join(got) and b"\xa3two" in b"".join(got))
            assert len(got) == 2  # the second over another connection, the first being older than the interval
    finally:
        Path(path).unlink(missing_ok=True)


@pytest.mark.census(
    "log-driver fluentd fluentd-max-retries", "log-driver fluentd fluentd-buffer-limit", "log-driver cache-max-size",
    "log-driver cache-max-file", "log-driver cache-compress",
)  # fmt: skip
def test_a_dead_server_costs_messages_that_are_counted(docker: Cli, image: str) -> None:
    words = opts(
        fluentd_address="unix:///no/such", fluentd_async="true", fluentd_retry_wait="10s", fluentd_buffer_limit="100"
    )
    words += opts(cache_max_size="10k", cache_max_file="2", cache_compress="false")
    docker("run", "-d", "--name", "dead", "--log-driver", "fluentd", *words, image, "sh", "-c", "seq 10000; sleep 100")
    eventually(lambda: document(docker, "dead").get("LogStatus", {}).get("Dropped", 0) > 9000)
    eventually(lambda: docker("logs", "--tail", "1", "dead").stdout == "10000\n")
    place = docker.daemon.root / "data/containers" / document(docker, "dead")["Id"] / "local-logs"
    assert sorted(path.name for path in place.glob("container*")) == ["container.log", "container.log.1"]
    assert len(docker("logs", "dead").stdout.split()) < 1000
    words = opts(fluentd_address="unix:///no/such", fluentd_async="true", fluentd_max_retries="0")
    docker("run", "--name", "gone", "--log-driver", "fluentd", *words, image, "seq", "3")
    eventually(lambda: document(docker, "gone").get("LogStatus", {}).get("Lost") == 3)
    assert (
        document(docker, "gone")["LogStatus"]["Error"]
        == "fluentd: dial unix /no/such: connect: no such file or directory"
    )


@pytest.mark.census("log-driver mode", "log-driver max-buffer-size", "log-driver fluentd fluentd-write-timeout")
def test_a_server_that_takes_nothing_stops_only_who_waits_for_it(docker: Cli, image: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        base = [
            "--log-driver",
            "fluentd",
            *opts(fluentd_address=f"127.0.0.1:{deaf.getsockname()[1]}", fluentd_write_timeout="1h"),
        ]
        script = "seq 3000000; touch /said; sleep 100"
        docker("run", "-d", "--name", "waits", *base, image, "sh", "-c", script)
        docker(
            "run",
            "-d",
            "--name",
            "free",
            *base,
            *opts(mode="non-blocking", max_buffer_size="64k"),
            image,
            "sh",
            "-c",
            script,
        )
        eventually(lambda: docker("exec", "free", "ls", "/said", check=False).returncode == 0, 60)
        assert docker("exec", "waits", "ls", "/said", check=False).returncode != 0
        assert docker("run", "--rm", image, "echo", "others").stdout == "others\n"
        eventually(lambda: document(docker, "free").get("LogStatus", {}).get("Dropped", 0) > 100_000)
        docker("kill", "free", "waits")


@pytest.mark.census("log-driver cache-disabled")
def test_without_a_cache_there_is_nothing_to_read(cli: Cli, image: str) -> None:
    with log_servers.udp() as server:
        words = opts(syslog_address=f"udp://127.0.0.1:{server.port}", cache_disabled="true")
        cli("run", "--name", "away", "--log-driver", "syslog", *words, image, "echo", "out")
        server.wait(lambda got: len(got) == 1)
    assert "configured logging driver does not support reading" in cli("logs", "away", check=False).stderr
    place = cli.daemon.root / "data/containers" / document(cli, "away")["Id"]
    assert not list(place.rglob("*.log"))


SPLUNK = [
    f"log-driver splunk splunk-{name}" for name in
    ("token", "url", "source", "sourcetype", "index", "format", "verify-connection", "gzip", "gzip-level",
     "index-acknowledgment", "capath", "caname", "insecureskipverify")
]  # fmt: skip


def collector(data: bytes) -> bytes:
    """An HTTP event collector that takes everything."""
    whole = data.startswith((b"OPTIONS", b"POST"))
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" if whole else b""


def posted(data: bytes) -> tuple[bytes, bytes]:
    """(head, body) of the first POST; the body is empty until all of it has come."""
    head, _, body = data.partition(b"POST")[2].partition(b"\r\n\r\n")
    size = re.search(rb"Content-Length: (\d+)", head)
    return head, body if size and len(body) == int(size[1]) else b""


@pytest.mark.census(
    "log-driver splunk", "log-driver splunk tag", "log-driver splunk labels", "log-driver splunk env", *SPLUNK
)
@pytest.mark.parametrize("secure", [False, True])
def test_splunk(docker: Cli, image: str, keys: Certificates, secure: bool) -> None:
    with log_servers.tcp(collector, tls=serving(keys) if secure else None) as server:
        options = {
            "splunk_token": "tok", "splunk_url": f"http{'s' if secure else ''}://127.0.0.1:{server.port}",
            "splunk_source": "s", "splunk_sourcetype": "st", "splunk_index": "i", "splunk_format": "json",
            "splunk_gzip": "true", "splunk_gzip_level": "1", "splunk_index_acknowledgment": "true",
        }  # fmt: skip
        if secure:
            options |= {"splunk_capath": str(keys.authority), "splunk_caname": "localhost"}
        script = """echo '{"j": 1}'; echo plain"""
        docker("run", "--name", "spl", "--log-driver", "splunk", *opts(**options), *CHOICE, image, "sh", "-c", script)
        (data,) = server.wait(lambda got: bool(got) and bool(posted(got[0])[1]))
        if secure:
            wrong = {**options, "splunk_capath": "/etc/hostname"}
            refused = docker("run", "--log-driver", "splunk", *opts(**wrong), image, "true", check=False)
            assert "failed to initialize logging driver" in refused.stderr
            wrong = {**options, "splunk_caname": "elsewhere"}
            refused = docker("run", "--log-driver", "splunk", *opts(**wrong), image, "true", check=False)
            assert "failed to verify certificate" in refused.stderr
            del options["splunk_capath"]
            blind = {**options, "splunk_insecureskipverify": "true"}
            docker("run", "--log-driver", "splunk", *opts(**blind), image, "true")
    assert data.startswith(b"OPTIONS /services/collector/event/1.0 HTTP/1.1")
    head, body = posted(data)
    assert b"Authorization: Splunk tok" in head
    assert b"X-Splunk-Request-Channel: " in head
    first, second = [json.loads(text) for text in re.split(r"(?<=\})(?=\{)", zlib.decompress(body, 31).decode())]
    assert first["event"] == {"line": {"j": 1}, "source": "stdout", "tag": "t/spl", "attrs": {"E": "ev", "a": "x y"}}
    assert second["event"]["line"] == "plain"
    assert (first["source"], first["sourcetype"], first["index"]) == ("s", "st", "i")
    assert docker("logs", "spl").stdout == '{"j": 1}\nplain\n'


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        ("syslog", {"syslog_address": "tcp://127.0.0.1:1"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("fluentd", {"fluentd_address": "127.0.0.1:1"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("gelf", {"gelf_address": "tcp://127.0.0.1:1"}, "gelf: cannot connect to GELF endpoint: 127.0.0.1:1 dial tcp"),
        ("splunk", {"splunk_token": "t", "splunk_url": "http://127.0.0.1:1"}, 'Options "http://127.0.0.1:1/services/'),
        ("splunk", {"splunk_token": "t"}, "splunk: splunk-url is expected"),
    ],
)
def test_a_server_that_is_not_there_fails_the_start(
    docker: Cli, image: str, driver: str, options: dict[str, str], text: str
) -> None:
    refused = docker("run", "--name", "never", "--log-driver", driver, *opts(**options), image, "true", check=False)
    assert f"failed to create task for container: failed to initialize logging driver: {text}" in refused.stderr
    assert refused.returncode in (125, 127)
    assert document(docker, "never")["State"]["Running"] is False
    assert not list((docker.daemon.root / "run/containers").glob(document(docker, "never")["Id"] + "/shim.sock"))


@pytest.fixture(scope="module")
def journal(
    tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str
) -> Iterator[tuple[CommandLine, log_servers.Server]]:
    """A daemon in a mount namespace of its own, in which a journal listens."""
    root = tmp_path_factory.mktemp("journal")
    (root / "systemd/journal").mkdir(parents=True)
    process = DaemonProcess(root)
    place = root / "systemd/journal/socket"
    script = f'mkdir -p /run/systemd && mount --make-rslave / && mount --bind {root}/systemd /run/systemd && exec "$@"'
    process.wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    with log_servers.unix(str(place), socket.SOCK_DGRAM) as server:
        try:
            process.start()
            ours = CommandLine("carrack", process)
            ours("load", stdin=CommandLine("carrack", daemon).raw("save", image))
            yield ours, server
        finally:
            process.stop()


@pytest.mark.census(
    "log-driver journald", "log-driver journald tag", "log-driver journald labels", "log-driver journald labels-regex",
    "log-driver journald env", "log-driver journald env-regex",
)  # fmt: skip
def test_journald(journal: tuple[CommandLine, log_servers.Server], image: str) -> None:
    ours, server = journal
    more = ["--label", "b.c=lb", "-e", "FOO=f", *opts(labels_regex="^b", env_regex="^F")]
    ours(
        "run",
        "--network",
        "none",
        "--name",
        "jour",
        "--log-driver",
        "journald",
        *CHOICE,
        *more,
        image,
        "sh",
        "-c",
        TALK,
    )
    got = server.wait(lambda got: len(got) == 3)
    (out,) = [data.split(b"\n") for data in got if b"MESSAGE=out\n" in data]
    identity = document(ours, "jour")["Id"].encode()
    wanted = [
        b"PRIORITY=6", b"CONTAINER_NAME=jour", b"CONTAINER_ID=" + identity[:12], b"CONTAINER_ID_FULL=" + identity,
        b"CONTAINER_TAG=t/jour", b"SYSLOG_IDENTIFIER=t/jour", b"IMAGE_NAME=" + image.encode(), b"A=x y", b"E=ev",
        b"B_C=lb", b"FOO=f",
    ]  # fmt: skip
    assert [field for field in wanted if field not in out] == []
    assert ours("logs", "jour").stdout == "out\ntail"
    ours("rm", "jour")


def test_no_journal_is_told(docker: Cli, image: str) -> None:
    if Path("/run/systemd/journal/socket").exists():
        pytest.skip("this host has a journal")
    refused = docker("run", "--log-driver", "journald", image, "true", check=False)
    assert "failed to initialize logging driver: journald is not enabled on this host" in refused.stderr
