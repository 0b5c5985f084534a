"""CVE-2024-40635 and CVE-2026-46680: a user number beyond 2^31 wraps round to root, or is taken for a *name*, which the
image's passwd maps to root.

The image's own passwd has all the hostile words as names of root. Each must be refused: were one looked up as a name,
or cut to 32 bits, the answer would be uid 0. "root" itself, through the same file, shows that the file is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, DaemonProcess, api
from tests.fakes.bundle import Bundle
from tests.security import evil

pytestmark = pytest.mark.root

HOSTILE = (
    "2147483648 4294967295 4294967296 18446744073709551616 9999999999999999999 99999999999999999999999999 -1 -0 +0 0x0 "
    "0o0 １ ٠ 0_0"
).split()
PASSWD = "root:x:0:0:root:/root:/bin/sh\n" + "".join(f"{word}:x:0:0::/:/bin/sh\n" for word in HOSTILE)
GROUP = "root:x:0:\n" + "".join(f"{word}:x:0:\n" for word in HOSTILE)


@pytest.fixture(scope="module")
def evil_image(daemon: DaemonProcess, image: str) -> Iterator[str]:
    from tests.cli.running import CommandLine

    files = (evil.file("etc/passwd", PASSWD), evil.file("etc/group", GROUP))
    with evil.image(CommandLine("carrack", daemon), "evil-users", *files) as made:
        yield made


def test_a_name_of_that_file_is_found(docker: Cli, evil_image: str) -> None:
    assert docker("run", "--rm", "--user", "root", evil_image, "id", "-u").stdout == "0\n"
    assert docker("run", "--rm", "--user", "2147483647", evil_image, "id", "-u").stdout == "2147483647\n"


@pytest.mark.parametrize("word", HOSTILE)
def test_a_user_of_the_request(docker: Cli, evil_image: str, word: str) -> None:
    for user in (word, f"1000:{word}"):
        refused = docker("run", "--rm", f"--user={user}", evil_image, "id", check=False)
        assert refused.returncode == 125, refused
        assert refused.stdout == ""
        assert "gids must be in range 0-2147483647" in refused.stderr or "invalid user or group" in refused.stderr


def test_a_user_of_the_image(docker: Cli, daemon: DaemonProcess, evil_image: str) -> None:
    for word in ("4294967296", "-1", "2147483648:0"):
        body = {"Image": evil_image, "Cmd": ["id"], "User": word}
        status, answer = api(daemon, "POST", "/containers/create", body)
        assert status == 201, answer
        made = docker("commit", json.loads(answer)["Id"], "evil-user-of-image").stdout
        refused = docker("run", "--rm", "evil-user-of-image", "id", check=False)
        docker("rmi", made.strip())
        assert (refused.returncode, refused.stdout) == (125, "")


def test_a_user_of_a_further_process_and_a_group_to_add(docker: Cli, evil_image: str) -> None:
    name = docker("run", "-d", evil_image, "sleep", "1000").stdout.strip()
    for word in ("4294967296", "-1", "0x0"):
        refused = docker("exec", f"--user={word}", name, "id", check=False)
        assert refused.returncode == 1, refused
        added = docker("run", "--rm", f"--group-add={word}", "--user", "1000:1000", evil_image, "id", check=False)
        assert added.returncode == 125, added
        assert "uid=" not in refused.stdout + added.stdout


@pytest.mark.parametrize("number", [2**32 - 1, 2**32, 2**32 + 1, -1, 2**64, "0", 0.5, True])
@pytest.mark.parametrize("key", ["uid", "gid", "additionalGids"])
def test_a_number_of_a_bundle(tmp_path: Path, key: str, number: object) -> None:
    bundle = Bundle(tmp_path)
    bundle.process["user"] = {"uid": 1000, "gid": 1000, key: [number] if key == "additionalGids" else number}
    refused = bundle.run("id")
    bundle.clean()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert key in refused.stderr
