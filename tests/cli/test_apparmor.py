"""Where the kernel runs AppArmor (the guest of ``scripts/test v2``): who is confined, and that it holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli

from carrack.linux import apparmor

CURRENT = "/proc/self/attr/apparmor/current"
PROFILES = Path("/sys/kernel/security/apparmor/profiles")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not apparmor.usual(), reason="this kernel does not run AppArmor (scripts/test v2)"),
]


@pytest.fixture
def own_profile() -> Iterator[str]:
    """A profile of the operator's: nobody reads /etc/group."""
    text = "profile crk-test flags=(attach_disconnected) { file, capability, deny /etc/group r, }"
    for option in ("-Kr", "-R"):
        subprocess.run([apparmor.parser(), option], input=text.encode(), check=True)
        if option == "-Kr":
            yield "crk-test"


@pytest.mark.census("security-opt apparmor docker-default generated", "security-opt apparmor=unconfined")
def test_containers_and_what_is_run_in_them_are_confined(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "usual", image, "sleep", "1000")
    assert docker("exec", "usual", "cat", CURRENT).stdout == "docker-default (enforce)\n"
    assert docker("exec", "--privileged", "usual", "cat", CURRENT).stdout == "docker-default (enforce)\n"
    assert docker("exec", "usual", "cat", "/proc/1/attr/apparmor/current").stdout == "docker-default (enforce)\n"
    shown = docker("inspect", "-f", "{{.AppArmorProfile}}", "usual").stdout
    assert shown == "docker-default\n"
    assert "docker-default (enforce)" in PROFILES.read_text()
    assert "name=apparmor" in json.loads(docker("info", "-f", "{{json .SecurityOptions}}").stdout)
    free = docker("run", "--name", "free", "--security-opt", "apparmor=unconfined", image, "cat", CURRENT)
    assert free.stdout == "unconfined\n"
    assert docker("inspect", "-f", "{{.AppArmorProfile}}", "free").stdout == "unconfined\n"
    assert docker("run", "--rm", "--privileged", image, "cat", CURRENT).stdout == "unconfined\n"
    assert docker("stop", "-t", "30", "usual", "--signal", "KILL").returncode == 0


@pytest.mark.census("security-opt apparmor docker-default generated")
def test_what_other_walls_were_taken_away_from_stays_closed(docker: Cli, image: str) -> None:
    """With all of /proc writable and CAP_SYS_ADMIN the profile is all that is left."""
    script = (
        "for f in /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sysrq-trigger;"
        " do test -w $f && (: > $f) 2>&1; done; mount -t tmpfs x /mnt 2>&1 && echo mounted; mkdir /sys/fs/x 2>&1"
    )
    given = ["run", "--rm", "--security-opt", "systempaths=unconfined", "--cap-add", "SYS_ADMIN"]
    done = docker(*given, image, "sh", "-c", "mkdir -p /mnt; " + script, check=False)
    assert done.stdout.count("ermission denied") >= 4, done.stdout
    assert "mounted" not in done.stdout
    script = (
        "mkdir -p /mnt; mount -t tmpfs x /mnt && echo mounted; echo guest > /proc/sys/kernel/hostname && echo named"
    )
    free = docker(*given, "--security-opt", "apparmor=unconfined", image, "sh", "-c", script)
    assert free.stdout == "mounted\nnamed\n"


@pytest.mark.census("security-opt apparmor=<profile>")
def test_a_profile_of_the_operators(docker: Cli, image: str, own_profile: str) -> None:
    done = docker(
        "run", "--rm", "--security-opt", f"apparmor={own_profile}", image, "cat", CURRENT, "/etc/group", check=False
    )
    assert done.stdout == f"{own_profile} (enforce)\n"
    assert "Permission denied" in done.stderr


def test_one_that_is_not_loaded_is_refused_and_ours_comes_back(docker: Cli, image: str) -> None:
    refused = docker("run", "--name", "lost", "--security-opt", "apparmor=nosuch", image, "true", check=False)
    assert refused.returncode
    assert "apparmor" in refused.stderr.lower()
    assert docker("inspect", "-f", "{{.State.Status}}", "lost").stdout == "created\n"
    text = apparmor.profile().encode()
    subprocess.run([apparmor.parser(), "-R"], input=text, check=True)
    assert docker("run", "--rm", image, "cat", CURRENT).stdout == "docker-default (enforce)\n"
