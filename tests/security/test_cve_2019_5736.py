"""CVE-2019-5736: a container overwrites the engine's executable through /proc/PID/exe of what enters it.

Through the daemon and the docker command: the image's program is ``#!/proc/self/exe``, so that what enters runs on for
as long as possible, and a container with CAP_SYS_PTRACE opens every foreign executable it sees for writing, all the
time. The last test takes the seal away: the same descriptor, of a copy of the interpreter that is not sealed, can be
written to once nobody runs it. (Shim and carrack-runtime: test_cve_2019_5736_shim.py, test_runtime_escapes.py.)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.security import evil

from carrack.shim import seal

pytestmark = pytest.mark.root

ATTACKER = """
while true; do
  for p in /proc/[0-9]*; do
    case "$(readlink $p/exe)" in ''|*busybox) ;; *) (exec 3>>$p/exe) && echo wrote ;; esac
  done
done 2>/dev/null
"""


def digest() -> str:
    return hashlib.sha256(Path(seal.interpreter(sys.executable)).read_bytes()).hexdigest()


def test_execs_into_a_container_that_attacks(docker: Cli, image: str) -> None:
    before = digest()
    with evil.image(docker, "evil-exec", evil.file("bin/lure", "#!/proc/self/exe\n", 0o755)) as made:
        options = ("--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined")
        docker("run", "-d", "--name", "attacker", *options, made, "sh", "-c", ATTACKER)
        try:
            for _ in range(10):
                assert docker("exec", "attacker", "/bin/lure", check=False).returncode != 0
                docker("exec", "attacker", "true")
            said = docker("logs", "attacker").stdout
        finally:
            docker("rm", "-f", "attacker")
    assert "wrote" not in said
    assert digest() == before


def test_without_the_seal_the_write_succeeds(tmp_path: Path) -> None:
    copy = tmp_path / "python"
    shutil.copy(seal.interpreter(sys.executable), copy)
    with subprocess.Popen([copy, "-ISc", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        held = os.open(f"/proc/{process.pid}/exe", os.O_PATH)
        with pytest.raises(OSError, match="Text file busy"):
            os.open(f"/proc/self/fd/{held}", os.O_WRONLY)
        assert process.stdin is not None
        process.stdin.close()
    written = os.open(f"/proc/self/fd/{held}", os.O_WRONLY)
    os.close(written)
    os.close(held)
