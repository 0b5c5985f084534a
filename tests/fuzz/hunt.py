"""Look for inputs that a target does not survive, for so many seconds each; what is found is printed and kept.

    python -m tests.fuzz.hunt [--seconds N] [--keep DIRECTORY] [TARGET...]

With the package ``atheris`` the inputs are led by the coverage of our sources; without it they are changes of kept
inputs by chance. ``scripts/fuzz`` runs this with the project's own Python.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz import mutate
from tests.fuzz.limits import limited

MEMORY = 2 << 30
SECONDS_OF_ONE = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="how long each target is tried (60)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where findings go (fuzz-findings)")
    parser.add_argument("--plain", action="store_true", help="by chance, also where atheris is installed")
    parser.add_argument("target", nargs="*")
    words = parser.parse_args()
    names = words.target or list(_targets())
    if len(names) > 1:  # a process each: a fuzzer never returns, and limits are of a process
        options = ["--seconds", str(words.seconds), "--keep", str(words.keep), *["--plain"] * words.plain]
        command = [sys.executable, "-m", "tests.fuzz.hunt", *options]
        return max(subprocess.run([*command, name], check=False).returncode != 0 for name in names)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    hunt = _by_chance if words.plain or not _has_atheris() else _by_coverage
    return hunt(names[0], words.seconds, words.keep)


def _targets() -> list[str]:
    from tests.fuzz.targets import TARGETS

    return list(TARGETS)


def _has_atheris() -> bool:
    try:
        importlib.import_module("atheris")
    except ImportError:
        return False
    return True


def _by_chance(name: str, seconds: int, keep: Path) -> int:
    from tests.fuzz.targets import TARGETS, corpus

    seeds, chance = list(corpus(name).values()), random.Random(time.time_ns())
    end, count, found = time.monotonic() + seconds, 0, set[str]()
    while time.monotonic() < end:
        data = mutate.changed(chance, seeds)
        count += 1
        try:
            with limited(SECONDS_OF_ONE):
                TARGETS[name](data)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            if (place := f"{type(error).__name__}-{Path(where.filename).stem}-{where.lineno}") not in found:
                found.add(place)
                _tell(name, place, data, keep)
    print(f"{name}: {count} inputs, {len(found)} findings", flush=True)
    return len(found)


def _by_coverage(name: str, seconds: int, keep: Path) -> int:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["carrack"]):
        from tests.fuzz.targets import TARGETS, corpus

    def one(data: bytes) -> None:
        try:
            with limited(SECONDS_OF_ONE):
                TARGETS[name](data)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            _tell(name, f"{type(error).__name__}-{Path(where.filename).stem}-{where.lineno}", data, keep)
            raise

    with tempfile.TemporaryDirectory(prefix="crk-fuzz-") as seeds:
        for file, data in corpus(name).items():
            (Path(seeds) / file).write_bytes(data)
        options = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={seeds}/", "-verbosity=0"]
        pid = os.fork()  # the fuzzer ends its process; the directory is still to be removed
        if pid == 0:
            atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", seeds], one)
            atheris.Fuzz()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _tell(name: str, place: str, data: bytes, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{name}-{place}.bin"
    if not path.exists() or path.stat().st_size > len(data):
        path.write_bytes(data)
    print(f"{name}: {place}: {path} ({len(data)} bytes)", flush=True)
    traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
