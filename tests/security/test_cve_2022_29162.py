"""CVE-2022-29162: processes that enter a container, privileged ones too, brought inheritable capabilities with them.

The sets of every way to start a process are read from the kernel; a daemon that had some of its own would show.
"""

from __future__ import annotations

import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root

STATUS = ["grep", "-E", "CapInh|CapAmb", "/proc/self/status"]
NONE = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"


@pytest.mark.parametrize("words", [[], ["--privileged"], ["--cap-add", "ALL"], ["-u", "nobody"]])
def test_nothing_is_inheritable(docker: Cli, image: str, words: list[str]) -> None:
    assert docker("run", "--rm", *words, image, *STATUS).stdout == NONE
    docker("run", "-d", "--name", "entered", *words, image, "sleep", "100")
    for more in ([], ["--privileged"], ["--privileged", "-u", "nobody"], ["-t"]):
        assert docker("exec", *more, "entered", *STATUS).stdout.replace("\r", "") == NONE
    docker("rm", "-f", "entered")


def test_checks_of_health_have_none_either(docker: Cli, image: str) -> None:
    from tests.cli.running import eventually

    check = "grep -E 'CapInh|CapAmb' /proc/self/status"
    docker("run", "-d", "--name", "checked", "--health-cmd", check, "--health-interval", "50ms", image, "sleep", "100")
    form = "{{range .State.Health.Log}}{{.Output}}{{end}}"
    eventually(lambda: "CapAmb" in docker("inspect", "-f", form, "checked").stdout)
    assert NONE in docker("inspect", "-f", form, "checked").stdout
    docker("rm", "-f", "checked")
