"""Who finds whom by what name, asked by the resolvers of busybox, of glibc, and by dig; and what flows between them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from tests.compose.project import Project, becomes

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]


@pytest.fixture
def names(application: Callable[[str], Project]) -> Project:
    """The application, up."""
    project = application("names")
    project.up()
    return project


def test_every_resolver_finds_every_name_of_a_shared_network(names: Project) -> None:
    address = _address(names, "near-1", "one")
    short = names.inspect("near-1")["Id"][:12]
    for name in ("near", f"{names.name}-near-1", "neighbour", "NEAR", short, f"near.{names.name}_one"):
        assert address in names.execute("also", "nslookup", name), name
        assert names.execute("glibc", "getent", "hosts", name).split()[0] == address, name
        assert names.execute("glibc", "dig", "+short", name) == f"{address}\n", name
        assert names.execute("glibc", "dig", "+short", "+tcp", name) == f"{address}\n", name
    assert names.execute("also", "ping", "-c", "1", "-W", "2", "neighbour").count("1 packets received") == 1


def test_only_those_that_share_a_network_know_each_other(names: Project) -> None:
    assert _address(names, "far-1", "two") in names.execute("both", "nslookup", "distant")
    assert _address(names, "near-1", "one") in names.execute("both", "nslookup", "near")
    for service, name in (("near", "far"), ("near", "distant"), ("far", "near"), ("alone", "near"), ("near", "alone")):
        assert names("exec", "-T", service, "nslookup", name, check=False).returncode != 0, (service, name)
    # A name of two networks has the address of the one that is shared.
    assert names.execute("glibc", "dig", "+short", "both") == f"{_address(names, 'both-1', 'one')}\n"


def test_answers_in_detail(names: Project) -> None:
    def dig(*words: str) -> str:
        return names.execute("glibc", "dig", "+nostats", "+nocmd", *words)

    answer = dig("near")
    assert "status: NOERROR" in answer
    assert re.search(r"^near\.\s+\d+\s+IN\s+A\s", answer, re.M)
    # The family that it has not: known, and nothing there.
    assert "status: NOERROR" in dig("near", "AAAA")
    assert "ANSWER: 0" in dig("near", "AAAA")
    pool = {_address(names, f"{name}-1", "one") for name in ("near", "also")}
    many = names.execute("glibc", "sh", "-c", "for i in $(seq 30); do dig +short pool; done").split()
    assert set(many[::2]) == set(many[1::2]) == pool  # each time all of them, by turns
    reverse = names.execute("glibc", "dig", "+short", "-x", _address(names, "near-1", "one"))
    assert reverse == f"{names.name}-near-1.{names.name}_one.\n"
    # An internal network asks nobody outside.
    assert "SERVFAIL" in names("exec", "-T", "alone", "nslookup", "example.invalid", check=False).stdout


def test_names_follow_what_happens(names: Project) -> None:
    names("up", "-d", "--force-recreate", "--no-deps", "-t", "2", "near")
    assert names.execute("glibc", "dig", "+short", "near") == f"{_address(names, 'near-1', 'one')}\n"
    names("stop", "-t", "2", "also")
    assert names.execute("glibc", "dig", "+short", "pool") == f"{_address(names, 'near-1', 'one')}\n"
    names("start", "also")
    assert len(names.execute("glibc", "dig", "+short", "pool").split()) == 2
    # Taken off the network and put on again while it runs, with another name.
    names.docker("network", "disconnect", f"{names.name}_two", f"{names.name}-far-1")
    assert names("exec", "-T", "both", "nslookup", "distant", check=False).returncode != 0
    names.docker("network", "connect", "--alias", "returned", f"{names.name}_one", f"{names.name}-far-1")
    assert names.execute("glibc", "dig", "+short", "returned") == f"{_address(names, 'far-1', 'one')}\n"
    assert _address(names, "near-1", "one") in names.execute("far", "nslookup", "near")


def test_data_flows_between_containers_and_from_the_host(names: Project) -> None:
    def flow(*words: str) -> float:
        told = names.execute("glibc", "iperf3", "-J", "-t", "1", *words)
        return float(json.loads(told)["end"]["sum_received"]["bits_per_second"])

    one_byte = ["exec", "-T", "glibc", "iperf3", "-c", "meter", "-n", "1"]
    becomes(lambda: names(*one_byte, check=False).returncode, 0)  # it listens
    assert flow("-c", "meter") > 1e6
    assert flow("-c", "meter", "-R") > 1e6
    assert flow("-c", "meter", "-u", "-b", "5M") > 1e6
    port = names("port", "meter", "5201").stdout.strip().rpartition(":")[2]
    words = ["run", "--rm", "--network", "host", "python:3", "iperf3", "-J", "-t", "1", "-c", "127.0.0.1", "-p", port]
    assert float(json.loads(names.docker(*words))["end"]["sum_received"]["bits_per_second"]) > 1e6


def _address(project: Project, container: str, network: str) -> str:
    found = project.inspect(container)["NetworkSettings"]["Networks"][f"{project.name}_{network}"]["IPAddress"]
    assert isinstance(found, str)
    return found
