import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.network import sandbox_files


def test_hosts_in_dockers_order() -> None:
    own = sandbox_files.own_names("web", "example.org")
    entries = [("172.17.0.9", "db dbhost"), ("172.17.0.2", own), ("fd00::2", own)]
    text = sandbox_files.hosts(entries, ["db:10.0.0.5", "up=host-gateway"], ("172.17.0.1",))
    assert text.splitlines()[0] == "127.0.0.1\tlocalhost"
    assert text.splitlines()[-5:] == [
        "10.0.0.5\tdb", "172.17.0.1\tup", "172.17.0.9\tdb dbhost", "172.17.0.2\tweb.example.org web",
        "fd00::2\tweb.example.org web",
    ]  # fmt: skip


def test_hosts_without_a_network() -> None:
    assert sandbox_files.hosts(()).endswith("ff02::2\tip6-allrouters\n")


def test_what_was_edited_inside_stays() -> None:
    before = sandbox_files.hosts([("172.17.0.2", "web"), ("172.17.0.9", "db dbhost old")], ["x:10.0.0.5"])
    edited = before.replace("localhost\n", "localhost mine\n", 1) + "10.1.1.1 other"
    after = sandbox_files.changed(edited, [("10.77.0.2", "web")], "web", {"db"})
    assert after == edited.replace("172.17.0.2\tweb\n172.17.0.9\tdb dbhost old\n", "") + "\n10.77.0.2\tweb\n"
    assert sandbox_files.changed(after, [("10.77.0.2", "web")], "web", ()) == after


@pytest.mark.parametrize("entry", ["", "db", ":10.0.0.1", "db:", "a b:10.0.0.1", "db:nonsense", "x\n1.1.1.1:10.0.0.1"])
def test_malformed_entries(entry: str) -> None:
    with pytest.raises(InvalidArgument):
        sandbox_files.hosts((), [entry])


def test_ipv6_entries() -> None:
    assert "fd00::1\tdb\n" in sandbox_files.hosts((), ["db:fd00::1"])
    assert "fd00::1\tdb\n" in sandbox_files.hosts((), ["db:[fd00::1]"])


def test_gateway_entry_needs_a_gateway() -> None:
    with pytest.raises(InvalidArgument, match="host-gateway"):
        sandbox_files.hosts((), ["up:host-gateway"])


HOST = """\
; written by hand
nameserver 127.0.0.1
nameserver fd00::53
nameserver 192.0.2.53 # the real one
domain old.example
search a.example b.example
options ndots:2 edns0
"""


def directives(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_what_a_container_cannot_reach_is_left_out() -> None:
    found = directives(sandbox_files.resolv_conf(HOST))
    assert found == ["nameserver 192.0.2.53", "search a.example b.example", "options ndots:2 edns0"]


def test_the_hosts_own_namespace_keeps_all() -> None:
    found = directives(sandbox_files.resolv_conf(HOST, same_namespace=True))
    assert found[:2] == ["nameserver 127.0.0.1", "nameserver fd00::53"]


def test_overrides_and_fallback() -> None:
    text = sandbox_files.resolv_conf(HOST, ["127.0.0.53"], ["."], ["timeout:1"])
    assert directives(text) == ["nameserver 127.0.0.53", "options timeout:1"]
    assert directives(sandbox_files.resolv_conf("nameserver ::1\n")) == ["nameserver 8.8.8.8", "nameserver 8.8.4.4"]
    with pytest.raises(InvalidArgument, match="DNS"):
        sandbox_files.resolv_conf("", ["1.1.1.1\nsearch evil"])


@given(st.text())
def test_any_host_file_gives_a_sound_one(text: str) -> None:
    for line in directives(sandbox_files.resolv_conf(text)):
        assert line.split()[0] in ("nameserver", "search", "options")


def test_resolved_stub_and_hostname() -> None:
    assert sandbox_files.uses_resolved_stub("nameserver 127.0.0.53\n")
    assert not sandbox_files.uses_resolved_stub(HOST)
    assert sandbox_files.hostname("web") == "web\n"


def test_with_the_resolver_it_is_the_only_server_and_docker_s_notes_tell_the_rest() -> None:
    host = "nameserver 10.255.255.53\nnameserver 127.0.0.53\nsearch a.b\n"
    assert sandbox_files.internal_resolv_conf(host).splitlines()[3:] == [
        "nameserver 127.0.0.11",
        "search a.b",
        "options ndots:0",
        "",
        "# Based on host file: '/etc/resolv.conf' (internal resolver)",
        "# ExtServers: [host(10.255.255.53) host(127.0.0.53)]",
        "# Overrides: []",
        "# Option ndots from: internal",
    ]
    given = sandbox_files.internal_resolv_conf(host, ["9.9.9.9", "::1"], ["c.d"], ["timeout:3", "ndots:2"])
    assert given.splitlines()[3:] == [
        "nameserver 127.0.0.11",
        "search c.d",
        "options timeout:3 ndots:2",
        "",
        "# Based on host file: '/etc/resolv.conf' (internal resolver)",
        "# ExtServers: [9.9.9.9 ::1]",
        "# Overrides: [nameservers search options]",
        "# Option ndots from: override",
    ]
    with pytest.raises(InvalidArgument, match="DNS"):
        sandbox_files.internal_resolv_conf(host, ["nonsense"])


def test_how_many_dots_a_name_needs_is_the_host_s_or_the_users_if_it_is_a_number() -> None:
    assert directives(sandbox_files.internal_resolv_conf("options ndots:3 rotate\n"))[1] == "options ndots:3 rotate"
    assert directives(sandbox_files.internal_resolv_conf("options ndots:x\n"))[1] == "options ndots:0"
    assert directives(sandbox_files.internal_resolv_conf("", (), ["."], ["rotate"]))[1:] == ["options rotate ndots:0"]
