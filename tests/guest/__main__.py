"""``python -m tests.guest``: boot a guest and run tests, or any command, in it. Usually by ``scripts/test v2``.

    python -m tests.guest [--kernel SERIES] [--selinux] [--seconds N] [--results FOLDER] [pytest arguments]
    python -m tests.guest [--kernel SERIES] [--selinux] … --command WORD…

The exit status is that of the command in the guest; 3 when the guest ended without one.
Beside the usual tests those under SELinux run in a guest of their own, since a kernel has that or AppArmor.
"""

from __future__ import annotations

import argparse
import compileall
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.guest import kernels, policy
from tests.guest.machine import Answer, GuestFailed, Machine

ROOT = Path(__file__).parents[2]
FAILED = 3
#: what the other kernel and the other cgroup version could break, within a few minutes
USUAL = (
    "tests/root/test_kernels.py",
    "tests/root/test_runtime_cgroups.py",
    "tests/root/test_snapshots.py::TestErofsThroughLoop",
    "tests/root/test_snapshots.py::TestErofsOfPages",
    "tests/root/test_snapshots.py::TestOverlayWithClassicOptions",
    "tests/root/test_snapshots.py::TestBtrfs::test_changes_are_told_and_make_a_layer",
    "tests/root/test_snapshots.py::TestFuse::test_a_change_stays_under_the_name_it_was_made_by",
    "tests/root/test_snapshots.py::TestFuse::test_changes_are_told_and_make_a_layer",
    "tests/root/test_snapshots.py::test_what_is_chosen_on_file_systems_that_cannot_do_all",
    "tests/root/test_idmapped.py",
    "tests/root/test_runtime_lifecycle.py::test_exec_joins_a_user_namespace_and_its_cgroup",
    "tests/cli/test_userns.py::test_who_joins_namespaces_of_another_joins_its_users_and_nobody_else_does",
    "tests/root/test_runtime_lifecycle.py::test_limits_are_set_and_updated",
    "tests/root/test_runtime_lifecycle.py::test_exec_joins_everything_and_reports_like_run",
    "tests/root/test_bridge.py",
    "tests/root/test_sctp.py",
    "tests/root/test_sublinks.py::test_ipvlan_shares_the_parents_mac_address",
    "tests/root/test_sublinks.py::test_vlans_as_far_as_the_kernel_has_them",
    "tests/cli/test_cgroup2.py",
    "tests/cli/test_published.py::test_sctp_as_the_commands_publish_it",
    "tests/cli/test_runtimes.py::test_a_program_sees_what_it_sees_with_our_own",
    "tests/cli/test_cgroup_parent.py::test_paths_and_slices",
    "tests/cli/test_apparmor.py",
)
#: in a guest of their own, for a kernel runs AppArmor or SELinux
UNDER_SELINUX = ("tests/cli/test_selinux.py",)


def main() -> int:
    arguments = _parse()
    for folder in ("src", "tests"):  # once here, rather than many times slower in there
        compileall.compile_dir(ROOT / folder, quiet=2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the guest ends with us
    try:
        kernel = kernels.kernel(arguments.kernel, kernels.default_cache())
        alone = arguments.words or arguments.command or arguments.selinux
        with nullcontext(int) if alone else _under_selinux(arguments) as ended:
            answer = _answer(kernel, arguments, selinux=arguments.selinux)
            status = ended() or answer.status
    except kernels.Lacking as lacking:
        print(f"SKIPPED: the tests in a guest with cgroup v2: {lacking}", file=sys.stderr)
        return 0
    except GuestFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return FAILED
    _keep(answer, arguments.results)
    return status


@contextmanager
def _under_selinux(arguments: argparse.Namespace) -> Iterator[Callable[[], int]]:
    """The other guest, beside this one; what is given waits for its end, shows what it said, and has its status."""
    words = [sys.executable, "-m", "tests.guest", "--selinux", "--kernel", arguments.kernel]
    words += ["--seconds", str(arguments.seconds)]
    words += ["--results", str(arguments.results)] if arguments.results else []
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, cwd=ROOT)

        def ended() -> int:
            status = child.wait()
            said.seek(0)
            print(said.read().decode(errors="replace"), end="", flush=True)
            return status

        try:
            yield ended
        finally:
            child.terminate()
            child.wait()


def _answer(kernel: kernels.GuestKernel, arguments: argparse.Namespace, *, selinux: bool) -> Answer:
    """Boot a guest of that kernel for the job."""
    place = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix=f"crk-guest-{os.getpid()}-", dir=place) as work:
        job = _job(arguments, UNDER_SELINUX if selinux else USUAL)
        if selinux:
            job["policy"] = str(policy.build(Path(work)))
        return Machine(kernel, Path(work), "selinux" if selinux else "apparmor").run(job, arguments.seconds)


def _keep(answer: Answer, folder: Path | None) -> None:
    for name, content in answer.files.items() if folder else ():
        assert folder is not None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.guest")
    parser.add_argument("--kernel", default=kernels.USUAL, help="series of Debian's kernel (default: %(default)s)")
    parser.add_argument("--selinux", action="store_true", help="with SELinux, enforced, in place of AppArmor")
    parser.add_argument("--seconds", type=float, default=480, help="after which the guest has failed")
    parser.add_argument("--results", type=Path, help="folder for what the guest sends back")
    parser.add_argument("--command", nargs=argparse.REMAINDER, help="run this instead of pytest")
    arguments, words = parser.parse_known_args()
    arguments.words = words
    return arguments


def _is_usual(arguments: argparse.Namespace) -> bool:
    named = any((ROOT / word.partition("::")[0]).exists() for word in arguments.words)
    return not arguments.command and not named


def _job(arguments: argparse.Namespace, usual: tuple[str, ...]) -> dict[str, object]:
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--leaks", *arguments.words]
    if _is_usual(arguments):
        pytest += usual
    return {
        "command": arguments.command or pytest,
        "folder": str(ROOT),
        "environment": _passed_on(),
        "path": [str(Path(sys.executable).parent)],
    }


def _passed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("CARRACK_")}


if __name__ == "__main__":
    sys.exit(main())
