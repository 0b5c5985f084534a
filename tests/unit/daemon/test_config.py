"""The daemon's configuration: precedence, conflicts, refusals."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from carrack.daemon.config import Config, load
from carrack.errors import InvalidArgument


def configured(tmp_path: Path, *arguments: str, file: Any = None, raw: bytes | None = None) -> Config:
    path = tmp_path / "daemon.json"
    path.write_bytes(raw if raw is not None else json.dumps({} if file is None else file).encode())
    return load(["--config-file", str(path), *arguments], {}).config


def test_defaults(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert [(a.kind, a.name) for a in config.addresses] == [("unix", "/run/carrack.sock")]
    assert str(config.data_root) == "/var/lib/carrack"
    assert str(config.exec_root) == "/run/carrack"
    assert str(config.pidfile) == "/run/carrack/carrackd.pid"
    assert (config.cgroup_parent, config.network.mtu, config.log_level, config.storage_driver) == (
        "/carrack",
        1500,
        "info",
        None,
    )
    assert dataclasses.replace(config, addresses=(), arguments=()) == Config()


def test_flags_and_file_are_joined(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "-D",
        "-H=unix:///a.sock",
        "--host",
        "fd://",
        "--exec-root=/run/x",
        file={
            "data-root": "/d",
            "bip": "10.1.0.1/24",
            "labels": ["a=b", "a=b", "c=d"],
            "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
            "mtu": 0,
            "live-restore": True,
            "shutdown-timeout": -1,
            "cgroup-parent": "x/y/",
        },
    )
    assert [a.kind for a in config.addresses] == ["unix", "fd"]
    assert (config.debug, str(config.data_root), config.network.address) == (True, "/d", "10.1.0.1/24")
    assert config.labels == ("a=b", "c=d")
    assert config.network.pools == (("10.0.0.0/8", 24),)
    assert (config.network.mtu, config.live_restore, config.shutdown_timeout) == (1500, True, -1)
    assert config.cgroup_parent == "/x/y"
    assert str(config.pidfile) == "/run/x/carrackd.pid"


def test_both_as_flag_and_in_the_file_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as refused:
        configured(tmp_path, "-D", "--label", "a=b", file={"debug": False, "labels": ["c=d"]})
    assert "the following directives are specified both as a flag and in the configuration file" in str(refused.value)
    assert "debug: (from flag: True, from file: False)" in str(refused.value)
    assert "labels" in str(refused.value)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({"colour": "red", "mtu": 1}, "don't match any configuration option: colour"),
        ([], "not a JSON object"),
        ({"debug": "yes"}, 'debug: "yes" is not a bool'),
        ({"mtu": True}, "is not a int"),
        ({"hosts": "unix:///x"}, "is not a list"),
        ({"default-address-pools": [{"base": "10.0.0.0/8"}]}, "is not a pools"),
        ({"default-address-pools": [{"base": "10.0.0.1/8", "size": 24}]}, "host bits set"),
        ({"default-address-pools": [{"base": "10.0.0.0/24", "size": 16}]}, "does not fit"),
        ({"mtu": 5}, "not between 68 and 65535"),
        ({"bip": "10.0.0.0/24"}, "not an address that a host"),
        ({"bip": "10.0.0.1"}, "not an address that a host"),
        ({"bip": "fd00::1/64"}, "no IPv4 address"),
        ({"data-root": "relative"}, "not an absolute path"),
        ({"cgroup-parent": "/a/../b"}, "not a cgroup path"),
        ({"cgroup-favor-dynmods": "maybe"}, "auto"),
        ({"bridge": "a/b"}, "not a valid name"),
        ({"firewall-table": "x y"}, "not a valid name"),
        ({"log-level": "loud"}, "none of debug"),
        ({"labels": ["nothing"]}, "bad attribute format"),
        ({"labels": ["a=b", "a=c"]}, "conflict labels"),
        ({"slots": 1000}, "not between 0 and 64"),
        ({"tls": True, "hosts": ["tcp://:2376"]}, "without --tlsverify is refused"),
        ({"tls": False, "tlsverify": True}, "contradicts"),
        ({"min-api-version": "1.40"}, "min-api-version: '1.40' is no API version from 1.41 to 1.51"),
        ({"min-api-version": "1.52"}, "is no API version"),
        ({"min-api-version": "v1.41"}, "is no API version"),
        ({"hosts": ["tcp://0.0.0.0:2375"]}, "without --tlsverify is refused"),
        ({"log-driver": "awslogs"}, "failed to set log opts: logging driver 'awslogs' is not supported"),
        ({"registry-mirrors": ["ftp://x"]}, "invalid mirror"),
        ({"iptables": False}, "iptables: false is not supported"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, file: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        configured(tmp_path, file=file)
    assert words in str(refused.value)


def test_what_asks_for_nothing_else_is_taken(tmp_path: Path) -> None:
    harmless = {"iptables": True, "log-driver": "json-file", "registry-mirrors": [], "userland-proxy": False}
    assert configured(tmp_path, "--ip-forward", "--exec-opt", "native.cgroupdriver=cgroupfs", file=harmless)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--colour"], "unknown flag: --colour"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--bip"], "flag needs an argument: --bip"),
        (["--mtu", "x"], 'invalid argument "x" for "--mtu" flag'),
        (["--debug=maybe"], 'invalid argument "maybe" for "--debug" flag'),
        (["start"], "unknown command or argument: start"),
        (["--default-address-pool", "base=1.0.0.0/8"], "want base=CIDR,size=BITS"),
        (["--dns", "one"], "dns: invalid IP address: one"),
        (["--iptables=false"], "flag --iptables: 'false' is not supported"),
        (["-H", "tcp://127.0.0.1:1", "--tls"], "without --tlsverify is refused"),
    ],
)
def test_bad_command_lines_are_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        configured(tmp_path, *arguments)
    assert words in str(refused.value)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"debug": true, "debug": false}', b" " * 2**21, b"[" * 100_000])
def test_files_that_are_no_documents(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InvalidArgument, match="unable to configure the daemon with file"):
        configured(tmp_path, raw=raw)


def test_an_empty_file_is_none_and_a_named_one_must_exist(tmp_path: Path) -> None:
    assert configured(tmp_path, raw=b" \n")
    with pytest.raises(InvalidArgument, match="no such file"):
        load(["--config-file", str(tmp_path / "nope")], {})


def test_commands_come_before_everything_else(tmp_path: Path) -> None:
    assert load(["--version", "--config-file", str(tmp_path / "nope")], {}).what == "version"
    assert load(["-h"], {}).what == "help"
    (tmp_path / "d.json").write_text("{}")
    assert load(["--validate", "--config-file", str(tmp_path / "d.json")], {}).what == "validate"


@pytest.mark.parametrize(
    ("words", "authority", "port"),
    [
        (["--tls=false"], None, "2375"),
        (["--tlsverify=false"], None, "2375"),
        (["--tls", "--tlsverify=false"], False, "2376"),
        (["--tlsverify"], True, "2376"),
    ],
)
def test_anyone_is_let_in_only_when_that_is_said(
    tmp_path: Path, words: list[str], authority: bool | None, port: str
) -> None:
    config = configured(tmp_path, *words, "-H", "tcp://127.0.0.1")
    assert config.anyone is not bool(authority)
    assert (None if config.tls is None else config.tls.authority is not None) is authority
    assert config.addresses[0].name == f"127.0.0.1:{port}"


def test_mutual_tls_names_its_files(tmp_path: Path) -> None:
    config = configured(tmp_path, "--tlsverify", "--tlscert=/c.pem", "-H", "tcp://:2376")
    assert config.tls is not None
    assert [str(path) for path in (config.tls.authority, config.tls.certificate, config.tls.key)] == [
        "/etc/carrack/ca.pem",
        "/c.pem",
        "/etc/carrack/key.pem",
    ]


def test_socket_activation_is_for_this_process_only(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("{}")
    arguments = ["--config-file", str(tmp_path / "d.json")]
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "2", "NOTIFY_SOCKET": "/n"}
    config = load(arguments, environment, pid=7).config
    assert (config.listen_fds, config.notify_socket) == ((3, 4), "/n")
    assert load(arguments, environment, pid=8).config.listen_fds == ()
    assert load(arguments, {**environment, "LISTEN_FDS": "x"}, pid=7).config.listen_fds == ()


def test_rules_of_garbage_collection(tmp_path: Path) -> None:
    given = {"gc": {"keep-last": 3, "unused-for": "30d", "min-free": "10%", "keep": ["team/*", "base:1"]}}
    rules = configured(tmp_path, file=given).gc
    assert (rules.keep_last, rules.min_free_percent, rules.keep) == (3, 10, ("team/*", "base:1"))
    assert configured(tmp_path, "--gc", "keep-last=3", "--gc=max-size=1g").gc.max_size == 1 << 30
    with pytest.raises(InvalidArgument, match="gc: unused-for: 'soon' is no time"):
        configured(tmp_path, file={"gc": {"unused-for": "soon"}})
    with pytest.raises(InvalidArgument, match="is not a rules"):
        configured(tmp_path, file={"gc": {"keep-last": 1.5}})
