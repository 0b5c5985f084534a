"""CVE-2022-0492: a process without privileges makes itself root of new user and cgroup namespaces, mounts a cgroup v1
hierarchy there, and has the host's root run its release_agent.

The kernel has been fixed since; what an engine has to give is that the way is closed at each step: no user namespace
under the default filter, no mount without CAP_SYS_ADMIN, read-only cgroups, no release_agent in what is shown. The
privileged container at the end goes the same way to its end and finds the file writable, so the steps are real.
"""

from __future__ import annotations

import pytest
from tests.cli.running import Cli

from carrack.runtime.cgroups.hierarchy import detect

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(detect().version != 1, reason="release_agent is of cgroup v1, and this machine has v2"),
]

ATTACK = """
try() {
  mkdir -p $1; mount -t cgroup -o memory none $1 2>/dev/null && (: >> $1/release_agent) 2>/dev/null && echo writable
}
try /tmp/cg || echo refused
%s
for file in /sys/fs/cgroup/*/release_agent; do [ -e $file ] && echo found $file; done
for file in /sys/fs/cgroup/*/notify_on_release /sys/fs/cgroup/*/cgroup.procs; do
  (: >> $file) 2>/dev/null && echo writable $file
done
mkdir /sys/fs/cgroup/memory/x 2>/dev/null && echo made
true
"""
INSIDE = "mkdir -p /tmp/n; mount -t cgroup -o memory none /tmp/n && (: >> /tmp/n/release_agent) && echo writable"
UNSHARE = f"unshare %s sh -c '{INSIDE}' 2>&1 | grep -v tmp/n"


def attack(docker: Cli, image: str, *options: str, flags: str = "-Urm") -> list[str]:
    done = docker("run", "--rm", *options, image, "sh", "-c", ATTACK % (UNSHARE % flags))
    return done.stdout.splitlines()


def test_a_default_container_gets_nowhere(docker: Cli, image: str) -> None:
    assert attack(docker, image) == ["refused", "unshare: unshare(0x10020000): Operation not permitted"]


@pytest.mark.parametrize(
    "options",
    [
        ("--security-opt", "seccomp=unconfined"),
        ("--security-opt", "seccomp=unconfined", "--user", "nobody"),
        ("--security-opt", "seccomp=unconfined", "--cgroupns", "private"),
        ("--cap-add", "SYS_PTRACE", "--security-opt", "systempaths=unconfined"),
    ],
)
def test_without_the_filter_the_other_doors_are_shut(docker: Cli, image: str, options: tuple[str, ...]) -> None:
    said = attack(docker, image, *options)
    assert said[0] == "refused"
    assert "writable" not in " ".join(said)
    assert "found" not in " ".join(said)
    assert "made" not in said


def test_by_a_further_process(docker: Cli, image: str) -> None:
    name = docker("run", "-d", image, "sleep", "1000").stdout.strip()
    said = docker("exec", name, "sh", "-c", ATTACK % (UNSHARE % "-Urm")).stdout.splitlines()
    assert said == ["refused", "unshare: unshare(0x10020000): Operation not permitted"]


def test_the_way_is_real_for_who_is_given_everything(docker: Cli, image: str) -> None:
    assert "writable" in attack(docker, image, "--privileged")
