"""Attributes of the Dockerfile frontend."""

import pytest

from carrack.api.buildkit.attributes import frontend, read
from carrack.engine.build.caching.wanted import CacheAt
from carrack.engine.build.provenance import Asked
from carrack.errors import InvalidArgument, NotSupported


def test_all_of_them() -> None:
    wanted = read(
        {
            "filename": "D", "target": "t", "build-arg:A": "1", "build-arg:SOURCE_DATE_EPOCH": "7", "label:l": "v",
            "context:c": "local:c", "platform": "linux/arm64,linux/amd64", "no-cache": "a,b", "add-hosts": "h=1.2.3.4",
            "force-network-mode": "host", "image-resolve-mode": "pull", "shm-size": "1024",
            "ulimit": "nofile=1:2,core=3", "cgroup-parent": "/p", "hostname": "n", "vcs:source": "x",
            "cache-imports": '[{"Type":"registry","Attrs":{"ref":"r"}},'
            '{"Type":"local","Attrs":{"src":"s"}},{"Type":"x"}]',
        }
    )  # fmt: skip
    assert (wanted.filename, wanted.target, wanted.arguments["A"], wanted.labels, wanted.epoch) == (
        "D",
        "t",
        "1",
        {"l": "v"},
        7,
    )
    assert (wanted.contexts, wanted.platforms) == ({"c": "local:c"}, ("linux/arm64", "linux/amd64"))
    assert (wanted.no_cache, sorted(wanted.no_cache_stages)) == (False, ["a", "b"])
    assert (wanted.extra_hosts, wanted.network, wanted.pull, wanted.hostname) == (("h:1.2.3.4",), "host", True, "n")
    places = (CacheAt("registry", {"ref": "r"}), CacheAt("local", {"src": "s"}), CacheAt("x", {}))
    assert wanted.cache_imports == places
    assert wanted.host_config == {
        "ShmSize": 1024,
        "CgroupParent": "/p",
        "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}, {"Name": "core", "Soft": 3, "Hard": 3}],
    }


def test_defaults() -> None:
    wanted = read({"no-cache": "", "force-network-mode": "sandbox"})
    assert (wanted.filename, wanted.no_cache, wanted.no_cache_stages, wanted.network) == (
        "Dockerfile",
        True,
        frozenset(),
        "",
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"what": "x"},
        {"multi-platform": "perhaps"},
        {"build-arg:SOURCE_DATE_EPOCH": "x"},
        {"ulimit": "a=b"},
        {"shm-size": "x"},
        {"cache-imports": "[1]"},
    ],
)
def test_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        read(attributes)


def test_attestations() -> None:
    wanted = read({"attest:sbom": "generator=x,A=b", "attest:provenance": "mode=max,inline-only=true"})
    assert wanted.attests.sbom == {"generator": "x", "A": "b"}
    assert wanted.attests.provenance == Asked("max", inline_only=True)
    assert not read({"attest:provenance": "disabled=true"}).attests
    with pytest.raises(InvalidArgument, match="mode"):
        read({"attest:provenance": "mode=some"})


def test_what_the_client_has_to_give() -> None:
    assert read({}).locals == ["context", "dockerfile"]
    assert read({"context:x": "local:more", "context:y": "docker-image://z"}).locals == [
        "context",
        "dockerfile",
        "more",
    ]
    assert read({"context": "https://x/y.git"}).locals == []


def test_words_for_the_same() -> None:
    wanted = read({"build-arg:BUILDKIT_SANDBOX_HOSTNAME": "h", "build-arg:BUILDKIT_MULTI_PLATFORM": "1"})
    assert (wanted.hostname, wanted.several, wanted.locals) == ("h", True, ["context", "dockerfile"])
    assert not read({"multi-platform": "false", "build-arg:BUILDKIT_MULTI_PLATFORM": "1"}).several
    assert read({"contextkey": "c", "dockerfilekey": "d"}).locals == ["c", "d"]


@pytest.mark.parametrize(
    "source", ["docker/dockerfile", "docker.io/docker/dockerfile:1.9", "docker/dockerfile-upstream@x"]
)
def test_readers_of_dockerfiles(source: str) -> None:
    frontend("dockerfile.v0", {})
    frontend("gateway.v0", {"source": source})


@pytest.mark.parametrize(("name", "source"), [("gateway.v0", ""), ("gateway.v0", "me/dockerfile"), ("other.v0", "")])
def test_other_frontends(name: str, source: str) -> None:
    with pytest.raises(NotSupported, match=name):
        frontend(name, {"source": source})
