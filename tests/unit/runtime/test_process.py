from __future__ import annotations

import base64
import errno
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel
from tests.fakes.sandbox import run_apart

from carrack.errors import Forbidden, InvalidArgument, NotFound
from carrack.runtime import process

CAPABILITIES: Any = {
    "bounding": ["CAP_CHOWN", "CAP_KILL"],
    "permitted": ["CAP_CHOWN"],
    "effective": ["CAP_CHOWN"],
    "ambient": ["CAP_CHOWN"],
}


def test_what_is_not_left_in_the_bounding_set_is_dropped() -> None:
    kernel = FakeKernel()
    process.drop_bounding(kernel, CAPABILITIES, 7)
    assert [call[2] for call in kernel.named("prctl")] == [1, 2, 3, 4, 6, 7]


def test_the_inheritable_set_is_empty_unless_given_and_ambient_is_raised_after_clearing() -> None:
    kernel = FakeKernel()
    process.take_capabilities(kernel, CAPABILITIES)
    assert kernel.calls == [("capset", 1, 1, 0), ("prctl", 47, 4, 0, 0, 0), ("prctl", 47, 2, 0, 0, 0)]


def test_capabilities_that_are_refused_are_named() -> None:
    kernel = FakeKernel()
    kernel.fail("capset", errno.EPERM)
    with pytest.raises(OSError, match=r"unable to apply caps: operation not permitted \(CAP_CHOWN\)"):
        process.take_capabilities(kernel, CAPABILITIES)


def test_what_the_machine_does_not_have_is_left_out() -> None:
    allowed = process.allowed_capabilities(CAPABILITIES, 1 << 5)
    assert allowed == {"bounding": ["CAP_KILL"], "permitted": [], "effective": [], "ambient": []}


@pytest.mark.parametrize(("number", "fatal"), [(errno.EPERM, False), (errno.ENOSYS, False), (errno.ENOMEM, True)])
def test_a_machine_without_keyrings_is_none_to_stumble_over(number: int, fatal: bool) -> None:
    def work() -> None:
        kernel = FakeKernel()
        kernel.fail("keyctl_join", number)
        try:
            process.new_session(kernel, "_ses.x")
        except OSError:
            assert fatal
        else:
            assert not fatal

    run_apart(work)


class FakeProcfs:
    def __init__(self, refuse: bool = False, oom_score_adj: str = "0") -> None:
        self.oom_score_adj = oom_score_adj
        self.written: list[tuple[str, str]] = []
        self.refuse = refuse

    def read(self, path: str) -> str:
        return f"{self.oom_score_adj}\n"

    def write(self, path: str, text: str) -> None:
        if self.refuse:
            raise OSError(errno.EACCES, "Permission denied", f"/proc/{path}")
        self.written.append((path, text))


@pytest.mark.parametrize(("ours", "written"), [("-500", [("self/oom_score_adj", "0")]), ("300", [])])
def test_the_engine_s_own_protection_is_not_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: str, written: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(process.Unasked, "oom_score_adj", None)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/oom_score_adj").write_text(f"{ours}\n")
    process.expose_to_oom_killer(str(tmp_path))
    procfs: Any = FakeProcfs(oom_score_adj=ours)
    process.set_oom_score_adj({}, procfs)
    assert procfs.written == written


def test_the_oom_score_is_written_when_it_differs_and_told_when_refused() -> None:
    procfs: Any = FakeProcfs()
    process.set_oom_score_adj({"oomScoreAdj": 0}, procfs)
    process.set_oom_score_adj({}, procfs)
    process.set_oom_score_adj({"oomScoreAdj": -500}, procfs)
    assert procfs.written == [("self/oom_score_adj", "-500")]
    with pytest.raises(OSError, match=r"write /proc/self/oom_score_adj: permission denied \(value -1\)"):
        process.set_oom_score_adj({"oomScoreAdj": -1}, FakeProcfs(refuse=True))  # type: ignore[arg-type]


def test_limits_are_set_and_unknown_ones_named() -> None:
    def work() -> None:
        process.set_rlimits({"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]})
        with pytest.raises(InvalidArgument, match="unknown rlimit 'RLIMIT_MOON'"):
            process.set_rlimits({"rlimits": [{"type": "RLIMIT_MOON", "soft": 0, "hard": 0}]})
        with pytest.raises(OSError, match=r"error setting rlimit type \d+: invalid argument"):
            process.set_rlimits({"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]})

    run_apart(work)


def test_hard_limits_are_raised_for_another_where_that_can_be_and_nothing_else_happens() -> None:
    def work() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        limits: Any = [
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_MOON", "soft": 0, "hard": 0},
            {"type": "RLIMIT_NOFILE", "soft": 5, "hard": 2**63},
        ]
        process.raise_hard_limits({"rlimits": limits}, os.getpid())
        assert resource.getrlimit(resource.RLIMIT_CORE) == (soft, hard)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 5

    run_apart(work)


def test_the_environment_has_a_home_and_the_last_of_a_name() -> None:
    assert process.environment({"env": ["A=1", "B=x=y", "A=2", "E="]}, "/home/bob") == {
        "A": "2", "B": "x=y", "E": "", "HOME": "/home/bob",
    }  # fmt: skip
    assert process.environment({"env": ["HOME=/h"]}, "/root")["HOME"] == "/h"
    assert process.environment({"env": ["HOME="]}, "/root")["HOME"] == "/root"
    for bad in ("A", "=1", "A=\0"):
        with pytest.raises(InvalidArgument, match="invalid environment variable"):
            process.environment({"env": [bad]}, "/")


def test_seccomp_programs_come_ready_made_or_are_compiled() -> None:
    assert process.seccomp_program(None, None) is None
    assert process.seccomp_program(base64.b64encode(b"12345678").decode(), None) == (b"12345678", 0)
    profile: Any = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}
    compiled = process.seccomp_program(None, profile)
    assert compiled is not None
    assert compiled[1] == 2
    assert len(compiled[0]) % 8 == 0
    with pytest.raises(InvalidArgument, match="listenerPath"):
        process.seccomp_program(None, profile | {"listenerPath": "/x"})
    with pytest.raises(InvalidArgument, match="FLAG_NEW"):
        process.seccomp_program(None, profile | {"flags": ["FLAG_NEW"]})


def test_a_directory_that_is_none_is_told_in_known_words(tmp_path: Path) -> None:
    def work() -> None:
        with pytest.raises(
            OSError, match=r'^\[Errno 2\] chdir to cwd \("/not/there"\) set in config.json failed: no such'
        ):
            process.enter_directory("/not/there")
        process.enter_directory(str(tmp_path))
        tmp_path.rmdir()
        with pytest.raises(Forbidden, match="container breakout"):
            process.check_directory()

    run_apart(work)


def test_signals_are_as_a_new_program_expects_them() -> None:
    def work() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        process.reset_signals()
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())

    run_apart(work)


def test_descriptors_above_the_preserved_close() -> None:
    def work() -> None:
        fds = [os.dup(0) for _ in range(3)]
        kernel = FakeKernel()
        process.close_others(kernel, fds[0] - 3 + 1)
        assert kernel.calls == [("close_range", fds[0] + 1, 0xFFFFFFFF, 4)]
        assert os.get_inheritable(fds[0])

    run_apart(work)


def test_execve_failures_are_told_with_the_shell_s_kinds(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(Forbidden, match="exec format error"):
        process.execute(str(tmp_path / "text"), ["x"], {})
    with pytest.raises(NotFound, match="no such file"):
        process.execute(str(tmp_path / "nothing"), ["x"], {})
    with pytest.raises(Forbidden, match="null"):
        process.execute(sys.executable, ["a\0b"], {})


def test_scheduling_that_is_not_known_is_refused() -> None:
    process.set_scheduling({})
    with pytest.raises(InvalidArgument, match="SCHED_DEADLINE"):
        process.set_scheduling({"scheduler": {"policy": "SCHED_DEADLINE"}})
    run_apart(lambda: process.set_scheduling({"scheduler": {"policy": "SCHED_BATCH", "nice": 5}}))
