"""CVE-2024-23653: a Dockerfile gets itself the privileges, the host's network or a device that nobody has granted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.buildx import Buildx
from tests.cli.running import Result

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--security=insecure", "security.insecure"),
        ("--network=host", "network.host"),
        ("--device=vendor.com/class=name", "device"),
    ],
)
def test_what_was_not_granted_is_not_run(build: Callable[..., Result], flag: str, name: str) -> None:
    done = build(f"FROM busybox\nRUN {flag} echo it ran", check=False)
    assert done.returncode == 1
    assert f"granting entitlement {name} is not allowed" in done.stderr
    assert "it ran\n" not in done.stdout.replace("echo it ran\n", "")


def test_a_client_cannot_allow_what_the_daemon_does_not_grant(buildx: Buildx) -> None:
    done = buildx("FROM busybox\nRUN --security=insecure echo it ran", "--allow", "security.insecure", check=False)
    assert done.returncode != 0
    assert "not allowed by build daemon configuration" in done.stderr
