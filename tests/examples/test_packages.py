"""The examples that install real packages in RUN, by apt, pip and npm through the network of the daemon.

They run where the indexes that they install from answer this machine (``CARRACK_TEST_PACKAGES``: 1 does not ask, 0 runs
none); proxies, indexes and certificates of the machine are passed on as a user would.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.builds.examples import EXAMPLES
from tests.builds.noise import settled
from tests.builds.outcome import differences, outcome
from tests.builds.record import debian, path_of
from tests.cli.busybox import root_file_system
from tests.cli.running import eventually
from tests.clients import images
from tests.examples import indexes
from tests.examples.kitchen import Kitchen, passed_on, ssh_agent

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", autouse=True)
def base(kitchen: Kitchen) -> None:
    """Debian's base image."""
    indexes.needed("apt")
    images.provide(kitchen.daemon, images.BASE)


@contextmanager
def serving(kitchen: Kitchen, image: str, port: int) -> Iterator[str]:
    """The address of a container's server."""
    kitchen.carrack("run", "-d", "--name", "serving", "-p", f"127.0.0.1::{port}", image)
    try:
        yield "http://" + kitchen.carrack("port", "serving", str(port)).stdout.strip()
    finally:
        kitchen.carrack("rm", "-f", "serving")


def fetched(address: str) -> str:
    """What a server answers, "" while it does not."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


def same_as_recorded(kitchen: Kitchen, name: str, image: str) -> None:
    """The image is what a real dockerd once made of the example."""
    below = debian()[1] if EXAMPLES[name].base.startswith("debian") else root_file_system()
    assert below is not None
    made = settled(outcome(kitchen.carrack.raw("save", image), below), EXAMPLES[name], recorded=True)
    found = differences(made, json.loads(path_of(name, examples=True).read_text()))
    assert not found, "\n".join(found)


def test_python(kitchen: Kitchen) -> None:
    indexes.needed("pip")
    place = kitchen.copy("python")
    kitchen.buildx(place, *passed_on(), "-t", "python-app")
    with serving(kitchen, "python-app", 8000) as address:
        eventually(lambda: bool(fetched(address)))
        assert json.loads(fetched(address)) == {"bottle": "0.13.4"}
        eventually(lambda: "healthy" in kitchen.carrack("ps").stdout)
    same_as_recorded(kitchen, "python", "python-app")
    (place / "requirements.txt").write_text("bottle==0.13.4\nitsdangerous==2.2.0\n")
    said = kitchen.buildx(place, *passed_on(), "-t", "python-app")
    assert "File was already downloaded /wheels/bottle" in said


def test_node(kitchen: Kitchen) -> None:
    indexes.needed("npm")
    kitchen.buildx(kitchen.copy("node"), *passed_on(), "-t", "node-app")
    with serving(kitchen, "node-app", 3000) as address:
        eventually(lambda: fetched(address).startswith("up for "))
    same_as_recorded(kitchen, "node", "node-app")


def test_static(kitchen: Kitchen) -> None:
    kitchen.carrack("build", *passed_on(secrets=False), "-t", "static", str(kitchen.copy("static")), timeout=300)
    assert kitchen.run("static", "you") == "hello, you\n"
    assert int(kitchen.carrack("inspect", "-f", "{{.Size}}", "static").stdout) < 2_000_000
    same_as_recorded(kitchen, "static", "static")


def test_site(kitchen: Kitchen) -> None:
    place = kitchen.copy("site")
    kitchen.compose(place, "up", "--build", "-d")
    try:
        where = kitchen.compose(place, "port", "site", "80").strip()
        eventually(lambda: "<h1>Composed</h1>" in fetched(f"http://{where}"))
    finally:
        kitchen.compose(place, "down", "--timeout", "2")
    kitchen.carrack("build", *passed_on(secrets=False), "-t", "site", str(place), timeout=300)
    same_as_recorded(kitchen, "site", "site")


def test_service(kitchen: Kitchen) -> None:
    kitchen.carrack("build", *passed_on(secrets=False), "-t", "notes", str(kitchen.copy("service")), timeout=300)
    same_as_recorded(kitchen, "service", "notes")
    kept = ["run", "--rm", "-v", "notes:/data", "notes"]
    kitchen.carrack(*kept, "add", "it's the first")
    kitchen.carrack(*kept, "add", "second")
    assert kitchen.carrack(*kept).stdout == "it's the first\nsecond\n"
    kitchen.carrack("volume", "rm", "notes")


def test_ssh(kitchen: Kitchen) -> None:
    with ssh_agent() as sock:
        kitchen.buildx(kitchen.copy("ssh"), "--ssh", "default", "-t", "ssh", env={"SSH_AUTH_SOCK": sock})
        listed = subprocess.run(
            ["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": sock}, stdout=subprocess.PIPE, text=True, check=True
        )
    shown = kitchen.run("ssh")
    assert shown.startswith(listed.stdout)
    assert "BEGIN SSH SIGNATURE" in shown
    same_as_recorded(kitchen, "ssh", "ssh")
