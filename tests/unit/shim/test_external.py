"""A runtime's command line, driven against programs that only note how they were called."""

import json
import os
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.shim.external import Runtime, exit_code, left_out
from carrack.shim.loop import Loop
from carrack.shim.protocol import StartError
from carrack.shim.stdio import Stdio

NOTES = """#!/bin/sh
echo "$@" >> ../calls
while [ $# -gt 0 ]; do
    [ "$1" = --pid-file ] && echo 77 > "$2"
    [ "$1" = --resources ] && cp "$2" ../resources
    [ "$1" = --process ] && cp "$2" ../process
    shift
done
"""
FAILS = """#!/bin/sh
echo '{"level":"info","msg":"begun"}' > log.json
echo '{"level":"error","msg":"container not running"}' >> log.json
echo noise >&2
exit 1
"""


def runtime(directory: Path, script: str, *words: str) -> Runtime:
    program = directory / "program"
    program.write_text(script)
    program.chmod(0o755)
    (directory / "bundle").mkdir(exist_ok=True)
    return Runtime(FakeKernel(), [str(program), *words], "c1", str(directory))


def calls(directory: Path) -> list[list[str]]:
    head = ["--root", f"{directory}/runtime", "--log", f"{directory}/bundle/log.json", "--log-format", "json"]
    found = [line.split() for line in (directory / "calls").read_text().splitlines()]
    assert all(words[: len(head)] == head for words in found)
    return [words[len(head) :] for words in found]


def test_each_step_is_a_command(tmp_path: Path) -> None:
    program = runtime(tmp_path, NOTES)
    stdio, null = Stdio(Loop()), os.open("/dev/null", os.O_RDWR)
    assert program.create({}, stdio, [null, null, null]) == 77
    program.start()
    assert program.exec({"args": ["true"]}, stdio, [null, null, null]) == 77
    program.kill(15)
    program.pause()
    program.resume()
    program.update({"memory": {"limit": 1 << 20}})
    program.delete()
    os.close(null)
    bundle = f"{tmp_path}/bundle"
    assert calls(tmp_path) == [
        ["create", "--bundle", bundle, "--pid-file", f"{bundle}/pid", "c1"],
        ["start", "c1"],
        ["exec", "--detach", "--process", f"{bundle}/process.json", "--pid-file", f"{bundle}/pid", "c1"],
        ["kill", "c1", "15"],
        ["pause", "c1"],
        ["resume", "c1"],
        ["update", "--resources", f"{bundle}/resources.json", "c1"],
        ["delete", "--force", "c1"],
    ]
    assert json.loads((tmp_path / "resources").read_text()) == {"memory": {"limit": 1 << 20}}
    assert json.loads((tmp_path / "process").read_text()) == {"args": ["true"]}


def test_options_of_the_configuration_come_first(tmp_path: Path) -> None:
    runtime(tmp_path, NOTES, "--debug", "--systemd").start()
    assert (tmp_path / "calls").read_text().startswith("--debug --systemd --root ")


def test_a_failure_is_told_in_the_runtimes_words(tmp_path: Path) -> None:
    program = runtime(tmp_path, FAILS)
    with pytest.raises(StartError, match=r"^container not running$") as caught:
        program.start()
    assert caught.value.document() == {"stage": "runtime", "message": "container not running", "exit_code": 125}
    with pytest.raises(ProcessLookupError):
        program.kill(9)
    with pytest.raises(ProcessLookupError):
        program.pause()
    with pytest.raises(OSError, match="cannot do that"):
        runtime(tmp_path, FAILS.replace("container not running", "cannot do that")).pause()
    program.delete()  # what is not there needs no deletion


def test_a_failure_without_a_log_is_told_by_what_was_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^second line$"):
        runtime(tmp_path, "#!/bin/sh\necho first line; echo second line >&2; exit 3\n").start()
    with pytest.raises(StartError, match="program start ended with 3"):
        runtime(tmp_path, "#!/bin/sh\nexit 3\n").start()
    (tmp_path / "program").unlink()
    with pytest.raises(StartError, match="no such file or directory") as caught:
        Runtime(FakeKernel(), [f"{tmp_path}/program"], "c1", str(tmp_path)).start()
    assert caught.value.exit_code == 127


def test_a_runtime_that_makes_no_process_or_terminal_is_refused(tmp_path: Path) -> None:
    program, stdio = runtime(tmp_path, "#!/bin/sh\n"), Stdio(Loop())
    with pytest.raises(StartError, match="did not say which process"):
        program.create({}, stdio, [0, 1, 2])
    with pytest.raises(StartError, match="sent no terminal"):
        program.create({"terminal": True}, stdio, [])
    assert not (tmp_path / "bundle/console.sock").exists()


def test_a_runtime_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carrack.shim.external.PATIENCE", 0.01)
    with pytest.raises(StartError, match="ended with 137"):
        runtime(tmp_path, "#!/bin/sh\nexec sleep 60\n").start()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ("executable file `x` not found in $PATH: No such file or directory", 127),
        ('exec: "/etc": permission denied', 126),
        ("anything else", 125),
    ],
)
def test_exit_codes_follow_the_words(text: str, code: int) -> None:
    assert exit_code(text) == code


def test_some_limits_are_changed_by_us() -> None:
    given = {"memory": {"limit": 1, "swappiness": 2}, "cpu": {"shares": 3}, "blockIO": {"throttleReadBpsDevice": []}}
    assert left_out(given) == {"memory": {"swappiness": 2}, "blockIO": {"throttleReadBpsDevice": []}}
    assert left_out({"memory": {"limit": 1}}) == {}


def test_streams_of_the_program_are_the_ones_given(tmp_path: Path) -> None:
    said, write = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    script = '#!/bin/sh\necho hello\nwhile [ $# -gt 0 ]; do [ "$1" = --pid-file ] && echo 1 > "$2"; shift; done\n'
    runtime(tmp_path, script).create({}, Stdio(Loop()), [null, write, write])
    assert os.read(said, 100) == b"hello\n"
    for fd in (said, write, null):
        os.close(fd)
