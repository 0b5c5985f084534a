"""Extra processes go on without the daemon, and the next one knows them by their ids."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def lasting(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line to a daemon of its own, which may be killed."""
    process = DaemonProcess(tmp_path_factory.mktemp("lasting"), "--live-restore")
    cli = CommandLine("carrack", process)
    try:
        process.start()
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        yield cli
    finally:
        cli("rm", "-f", "box", check=False)
        process.stop()


def test_an_exec_and_its_exit_code(lasting: Cli, image: str) -> None:
    def shown(identity: str) -> dict[str, object]:
        status, answer = api(lasting.daemon, "GET", f"/exec/{identity}/json")
        assert status == 200, answer
        return dict(json.loads(answer))

    def started(script: str) -> str:
        _, answer = api(lasting.daemon, "POST", "/containers/box/exec", {"Cmd": ["sh", "-c", script], "User": "nobody"})
        identity = str(json.loads(answer)["Id"])
        assert api(lasting.daemon, "POST", f"/exec/{identity}/start", {"Detach": True})[0] == 200
        return identity

    lasting("run", "-d", "--name", "box", image, "sleep", "1000")
    runs, over = started("while ! test -e /tmp/end; do sleep 0.05; done; exit 7"), started("exit 3")
    eventually(lambda: shown(over)["ExitCode"] == 3)
    before = shown(runs)
    assert before["Running"] is True
    lasting.daemon.crash()
    lasting.daemon.start()
    assert shown(runs) == before
    assert shown(over)["ExitCode"] == 3
    assert json.loads(lasting("inspect", "-f", "{{json .ExecIDs}}", "box").stdout) == [runs]
    lasting("exec", "box", "touch", "/tmp/end")
    eventually(lambda: shown(runs)["Running"] is False)
    assert shown(runs)["ExitCode"] == 7
