"""resolv.conf(5) as it is found on hosts."""

from __future__ import annotations

from carrack.network import resolv

TEXT = """\
# made by hand
nameserver 10.0.0.1 # the router
nameserver ::1
nameserver 10.0.0.1
nameserver
search a.example b.example
options ndots:2 ; rotate
search c.example
"""


def test_of_servers_every_line_counts_and_of_the_rest_the_last() -> None:
    assert resolv.values(TEXT, "nameserver") == ["10.0.0.1", "::1", "10.0.0.1"]
    assert resolv.servers(TEXT) == ["10.0.0.1", "::1"]
    assert resolv.values(TEXT, "search") == ["c.example"]
    assert resolv.values(TEXT, "options") == ["ndots:2"]
    assert resolv.values("", "nameserver") == resolv.values(TEXT, "domain") == []
