"""Repositories that want to get out of their checkout, read the machine's files, or run something (CVE-2026-33748,
GHSA-hw3h-2gp9-cxpv, GHSA-49p4-px3h-rq49)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.fakes.building import NoAgents
from tests.fakes.elsewhere import Repository, git_daemon

from carrack.engine.build import giturl
from carrack.engine.build.checkout import Checkouts
from carrack.errors import CarrackError
from carrack.storage.trees.base import walk

CANARY = "canary-of-the-host"


class Outside:
    """The machine: repositories of others at ``address``, and a folder ``host`` that is none of theirs."""

    def __init__(self, root: Path, address: str) -> None:
        self.root, self.address = root, address
        self.host = root / "host"
        self.host.mkdir()
        (self.host / "canary").write_text(CANARY)

    def repository(self, name: str = "r") -> Repository:
        return Repository(self.root / "repos" / name)

    def read(self, what: str, *, keep: bool = False) -> dict[str, str]:
        """The files of a repository, by name, as a build would have them."""

        async def run() -> dict[str, str]:
            async with AsyncExitStack() as held:
                wanted = giturl.parse(f"{self.address}/{what}")
                tree, _ = await Checkouts(self.root / "room", {}).open(wanted, keep, NoAgents(), held)
                files = [entry for entry in walk(tree, b"") if entry.kind == b"0"]
                return {
                    os.fsdecode(entry.path): b"".join(map(bytes, tree.data(entry))).decode("latin-1") for entry in files
                }

        return asyncio.run(run())


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    with git_daemon(tmp_path / "repos") as address:
        made = Outside(tmp_path, address)
        yield made
    assert list((tmp_path / "room").iterdir()) == []
    assert sorted(os.listdir(made.host)) == ["canary"]
    assert (made.host / "canary").read_text() == CANARY


def test_folders_that_are_links(outside: Outside) -> None:
    made = outside.repository()
    (made.place / "out").symlink_to(outside.host)
    (made.place / "up").symlink_to("../..")
    (made.place / "canary").symlink_to(outside.host / "canary")
    made.commit({"in/f": "1"})
    assert outside.read("r") == {"in/f": "1"}
    assert outside.read("r#:in") == {"f": "1"}
    for folder in ("out", "up", "up/host", "canary", "in/../../host", "..", "../..", "/../x"):
        with pytest.raises(CarrackError):
            outside.read(f"r#:{folder}")
        with pytest.raises(CarrackError):
            outside.read(f"r?subdir={folder}")


URLS = [
    *("ext::sh -c touch% {host}/own", "file://{host}", "{host}", "fd::17", "-u{host}/own"),
    *("--upload-pack=touch {host}/own", "ssh://-oProxyCommand=touch {host}/own/x"),
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("more", ["", "update = !touch {host}/own", "update = checkout"])
def test_submodules_that_run_something(outside: Outside, url: str, more: str) -> None:
    made, inner = outside.repository(), outside.repository("inner")
    inner.commit({"f": "1"})
    says = f'[submodule "m"]\n\tpath = m\n\turl = "{url}"\n\t{more}\n'.replace("{host}", str(outside.host))
    made.commit({".gitmodules": says})
    made.git("update-index", "--add", "--cacheinfo", f"160000,{inner.git('rev-parse', 'HEAD')},m")
    made.git("commit", "-q", "-m", "with a submodule")
    with pytest.raises(CarrackError):
        outside.read("r")


def test_submodules_whose_place_is_a_link(outside: Outside) -> None:
    made, inner = outside.repository(), outside.repository("inner")
    inner.commit({"canary": "overwritten"})
    (made.place / "a").symlink_to(outside.host)
    made.commit({".gitmodules": '[submodule "../../x"]\n\tpath = a/m\n\turl = ../inner\n'})
    made.git("update-index", "--add", "--cacheinfo", f"160000,{inner.git('rev-parse', 'HEAD')},b")
    made.git("commit", "-q", "-m", "with a submodule")
    try:
        found = outside.read("r")
    except CarrackError:
        return
    assert CANARY not in "".join(found.values())


def test_hooks_filters_and_attributes_run_nothing(outside: Outside) -> None:
    made = outside.repository()
    script = f"#!/bin/sh\ntouch {outside.host}/own\n"
    files = {f"{folder}/{name}": script for folder in ("hooks", "git/hooks") for name in ("post-checkout", "smudge")}
    made.commit({**files, ".gitattributes": "* filter=own diff=own merge=own\n", ".lfsconfig": "[lfs]\nurl = x\n"})
    for keep in (False, True):
        assert outside.read("r", keep=keep)["hooks/smudge"] == script


@pytest.mark.parametrize("ref", ["--upload-pack=touch", "-x", "refs/heads/../../x", "a b", "a:b", "^main", "@{u}"])
def test_references_that_are_none(outside: Outside, ref: str) -> None:
    outside.repository().commit({"f": "1"})
    with pytest.raises(CarrackError):
        outside.read(f"r?ref={ref}")
