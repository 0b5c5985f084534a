"""Names of steps, where BuildKit has none or another. Those that it has are judged in test_naming."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.images import HOST

from carrack.dockerfile.mounts import parse
from carrack.engine.build.caching import graph, operations
from carrack.engine.build.caching.graph import digest_of
from carrack.engine.build.caching.operations import BELOW, FILES, REMOTE, Need
from carrack.engine.build.steps import CopyStep, RunStep, WorkdirStep
from carrack.oci import platform as platforms

AMD64 = platforms.parse("linux/amd64")


def _run(scratch: bool = False, network: str = "default", **more: Any) -> operations.Operation | None:
    step = RunStep(**{"words": ("x",), "env": (), "workdir": "/", "user": "", **more})
    return operations.run(step, scratch, HOST, network, (), "")


@pytest.mark.parametrize(
    "step",
    [
        CopyStep(("a",), "/", parents=True),
        CopyStep(("a",), "/", checksum="sha256:x"),
        CopyStep(("a",), "/", owner="a:b:c"),
        CopyStep(("https://x/y",), "/", remote=True, exclude=("z",)),
        CopyStep(("https://x/y", "z"), "/", remote=True),
        CopyStep(("https://x/y*",), "/", remote=True),
    ],
)
def test_copies_without_a_name(step: CopyStep) -> None:
    assert operations.copy(step, scratch=False) is None


_F = digest_of(b"/f")
_WEB = "http://127.0.0.1:19480"


@pytest.mark.parametrize(
    ("step", "recorded", "selectors"),
    [
        (
            CopyStep((f"{_WEB}/f", f"{_WEB}/only"), "/x/", remote=True, extract=None),
            "9fb2c7be056244b67289e0836d3fb3307bc1613c6fb25aa69f0b95c8b8807b48", [_F, digest_of(b"/only")],
        ),
        (
            CopyStep((f"{_WEB}/", f"{_WEB}/d/"), "/x/", remote=True, extract=None),
            "27b38000ce803beae1db7d8892c1d8e0c91c93e48468827de4222a7e59ec27f0",
            [digest_of(b"/__unnamed__"), digest_of(b"/d")],
        ),
        (
            CopyStep((f"{_WEB}/f",), "/f3", remote=True, owner="5:6", mode="640", extract=True),
            "1c65d21555e579ea18c213b8775ab0665f8dc10d5ce7fad226a9264f86d250f0", [_F],
        ),
        (
            CopyStep(("git://127.0.0.1:19418/app.git#:sub",), "/g2", remote=True, extract=None),
            "fb2f392f29d612033d6325d3855dafa8e298537572727b0a8fe9e0bb113f9c4b", [digest_of(b"/")],
        ),
    ],
)  # fmt: skip
def test_what_comes_from_elsewhere_as_dockerd_names_it(step: CopyStep, recorded: str, selectors: list[str]) -> None:
    made = operations.copy(step, scratch=False)
    assert made is not None
    assert graph.rooted(made.digest) == f"sha256:{recorded}"
    assert [need.kind for need in made.needs] == [BELOW, *([REMOTE] * len(selectors))]
    assert [need.selector for need in made.needs[1:]] == selectors


def test_a_run_with_limits_as_dockerd_names_it() -> None:
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    step = RunStep(("/bin/sh", "-c", "echo b > /a"), (path,), "/", "", sequence=(path,))
    ulimits = [{"Name": "nofile", "Soft": 100, "Hard": 200}, {"Name": "nproc", "Soft": 50, "Hard": 50}]
    limits = {"Ulimits": ulimits, "ShmSize": 65536000, "CgroupParent": "/xx"}
    made = operations.run(step, False, AMD64, "default", (), "", limits)
    assert made is not None
    assert graph.rooted(made.digest) == "sha256:e1477225dc4be80cbc817bf00fc78d28a71fb3c6b7ff571252e9e54338d1b6e1"
    assert operations.run(step, False, AMD64, "default", (), "", {"Memory": 1}) is None


def test_names_of_owners_need_files_to_be_looked_up_in() -> None:
    step = CopyStep(("a",), "/", owner="bob")
    assert operations.copy(step, scratch=False)
    assert operations.copy(step, scratch=True) is None
    assert operations.workdir(WorkdirStep("/w", "bob"), True, None) is None


def test_needs_of_a_copy() -> None:
    made = operations.copy(CopyStep(("a", "b/"), "/d/", origin="one"), scratch=False)
    assert made is not None
    below, files = made.needs
    assert below == Need(BELOW)
    assert (files.kind, files.origin, files.paths) == (FILES, "one", ("/a", "/b"))
    alone = operations.copy(CopyStep(("a",), "/d/"), scratch=True)
    assert alone is not None
    assert [need.kind for need in alone.needs] == [FILES]


def test_a_linked_copy_is_the_same_on_whatever_it_lies() -> None:
    step = CopyStep(("a",), "/d/", link=True)
    linked, alone = operations.copy(step, scratch=False), operations.copy(step, scratch=True)
    assert linked is not None
    assert alone is not None
    assert (linked.linked, alone.linked, linked.digest) == (True, False, alone.digest)


@pytest.mark.parametrize(
    "more",
    [
        {"scripts": (("/dev/pipes/a", "b"), ("/dev/pipes/c", "d"))},
        {"scripts": (("/dev/pipes/a", "b"),), "mounts": (parse("type=tmpfs,target=/c"),)},
        {"devices": ("d",)},
        {"network": "other"},
        {"mounts": (parse("type=cache,target=/c,uid=3"),)},
        {"mounts": (parse("type=cache,target=/c,from=x"),)},
    ],
)
def test_runs_without_a_name(more: dict[str, Any]) -> None:
    assert _run(**more) is None


def test_what_a_run_depends_on_is_in_its_name() -> None:
    names = [
        _run(), _run(words=("y",)), _run(sequence=("A=1",)), _run(sequence=("A=2",)), _run(workdir="/w"),
        _run(user="u"), _run(network="none"), _run(insecure=True),
        _run(mounts=(parse("type=tmpfs,target=/t"),)), _run(mounts=(parse("type=tmpfs,target=/t,size=1m"),)),
        _run(mounts=(parse("type=secret,id=a"),)), _run(mounts=(parse("type=ssh"),)),
    ]  # fmt: skip
    digests = [name.digest for name in names if name is not None]
    assert len(set(digests)) == len(names)
    assert _run(hidden=("http_proxy=x",)) == _run()
    assert _run(scratch=True) != _run()
    epochs = [operations.workdir(WorkdirStep("/w"), False, epoch) for epoch in (None, 0, 1)]
    assert len({epoch.digest for epoch in epochs if epoch}) == 3


def test_the_platform_counts() -> None:
    from carrack.oci.platform import Platform

    step = RunStep(("x",), (), "/", "")
    made = {operations.run(step, False, Platform("linux", "arm", each), "", (), "") for each in ("v6", "v7")}
    assert made == {None}
    named = [operations.run(step, False, Platform("linux", "arm", each), "host", (), "") for each in ("v6", "v7")]
    assert named[0] != named[1]


def test_hosts_and_names_count() -> None:
    step = RunStep(("x",), (), "/", "")
    usual = operations.run(step, False, HOST, "default", (), "")
    assert operations.run(step, False, HOST, "default", ("h:1.2.3.4",), "") != usual
    assert operations.run(step, False, HOST, "default", (), "n") != usual


@pytest.mark.parametrize(("path", "truth"), [("a*", True), ("a?", True), ("[a]", True), ("a", False), ("a\\", False)])
def test_patterns(path: str, truth: bool) -> None:
    assert operations.wild(path) is truth


@pytest.mark.parametrize(
    ("step", "recorded"),
    [
        (CopyStep(("d/x",), "/x", mode="u+x"), "98a49954e948a7b881ad6825e00a930618e7cdafc0c1d1b80c4bcef1d9c7e08b"),
        (CopyStep(("d",), "/d", exclude=("y",)), "3ca481adac9917d88dd40e8237723063c838ca156f56a9776731357897e4041b"),
        (
            CopyStep(("/d",), "/d2", "src", exclude=("y",)),
            "bcc4656eb587021a077feb5d6c5f180590c97cf5d9251af997ff7ea916e706a3",
        ),
    ],
)
def test_copies_as_dockerd_has_named_them(step: CopyStep, recorded: str) -> None:
    named = operations.copy(step, scratch=False)
    assert named is not None
    assert graph.rooted(named.digest) == f"sha256:{recorded}"
    assert named.needs[1].filtered is bool(step.exclude)


def test_a_script_as_dockerd_has_named_it() -> None:
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    named = _run(
        words=("/bin/sh", "-c", "/dev/pipes/EOF"), sequence=(path,), network="none",
        scripts=(("/dev/pipes/EOF", "#!/bin/sh\necho hi > /here\n"),),
    )  # fmt: skip
    assert named is not None
    assert graph.rooted(named.digest) == "sha256:8ddc371dc8c01267f541da8dbaf5dea8e614d29ce8aab013e4e385446b0056eb"
    made = named.needs[1].made
    assert graph.rooted(made) == "sha256:59c2b97505409f9ca8848225d5b6d5fd33c5d422cb1318b8c3e625e8b4e90a28"
