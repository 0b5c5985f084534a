"""Health checks seen from outside: they run inside the container, and what they find is shown, filtered and told."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli, eventually

pytestmark = pytest.mark.root

QUICK = ["--health-interval", "100ms", "--health-retries", "1"]


def health(cli: Cli, name: str) -> str:
    return cli("inspect", "-f", "{{.State.Health.Status}}", name).stdout.strip()


def shown(cli: Cli, name: str) -> str:
    return cli("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").stdout.strip()


@pytest.mark.census(
    "run --health-cmd",
    "run --health-interval",
    "run --health-retries",
    "healthcheck Test CMD-SHELL",
    "healthcheck Interval",
    "healthcheck Retries",
    "healthcheck health_status events",
    "healthcheck status starting|healthy|unhealthy|none",
    "event container health_status",
)
def test_a_check_runs_inside_and_its_result_is_shown(cli: Cli, image: str) -> None:
    check = "echo asked as $(id -u); test -e /fine"
    cli("run", "-d", "--name", "checked", "--user", "7", "--tmpfs", "/tmp", "--health-cmd", check, *QUICK, image, "sleep", "60")  # fmt: skip  # noqa: E501
    eventually(lambda: health(cli, "checked") == "unhealthy")
    assert shown(cli, "checked").endswith("(unhealthy)")
    (entry, *_) = json.loads(cli("inspect", "-f", "{{json .State.Health.Log}}", "checked").stdout)
    assert (entry["ExitCode"], entry["Output"]) == (1, "asked as 7\n")
    cli("exec", "--user", "0", "checked", "touch", "/fine")
    eventually(lambda: health(cli, "checked") == "healthy")
    assert shown(cli, "checked").endswith("(healthy)")
    assert cli("ps", "-q", "--filter", "health=healthy").stdout
    assert not cli("ps", "-q", "--filter", "health=unhealthy").stdout
    words = "events --since 1m --until 0s --filter event=health_status --filter container=checked --format {{.Action}}"
    told = ["health_status: unhealthy", "health_status: healthy"]
    # The docker command cuts the present moment to whole seconds.
    eventually(lambda: cli(*words.split()).stdout.splitlines()[:2] == told)
    cli("stop", "-t", "0", "checked")
    assert health(cli, "checked") == "unhealthy"


@pytest.mark.census("run --health-timeout", "healthcheck Timeout")
def test_a_check_that_hangs_is_killed(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "hanging", "--health-cmd", "exec sleep 77", "--health-timeout", "200ms", *QUICK, image, "sleep", "60")  # fmt: skip  # noqa: E501
    eventually(lambda: health(cli, "hanging") == "unhealthy")
    output = cli("inspect", "-f", "{{(index .State.Health.Log 0).Output}}", "hanging").stdout
    assert output == "Health check exceeded timeout (200ms)\n"
    cli("pause", "hanging")  # no check begins any more; what was killed is gone
    cli("unpause", "hanging")
    eventually(lambda: cli("top", "hanging", "-o", "pid,args").stdout.count("sleep 77") <= 1)


@pytest.mark.census("run --no-healthcheck", "healthcheck --no-healthcheck", "healthcheck Test NONE")
def test_an_images_check_is_run_unless_it_is_refused(cli: Cli, image: str) -> None:
    cli("create", "--name", "base", image)
    cli("commit", "-c", "HEALTHCHECK --interval=100ms --retries=1 CMD true", "base", "sound")
    cli("run", "-d", "--name", "by-image", "sound", "sleep", "60")
    cli("run", "-d", "--name", "by-none", "--no-healthcheck", "sound", "sleep", "60")
    eventually(lambda: health(cli, "by-image") == "healthy")
    assert cli("inspect", "-f", "{{if .State.Health}}shown{{end}}", "by-none").stdout == "\n"
    assert "(" not in shown(cli, "by-none")
    cli("rm", "-f", "base", "by-image", "by-none")
    cli("rmi", "sound")
