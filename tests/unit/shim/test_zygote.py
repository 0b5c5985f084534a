import subprocess
import sys

from carrack.runtime import seal

CHECK = """
from carrack.shim import zygote
import sys
zygote.close_imports()
try:
    import ftplib
except ImportError:
    print("refused")
import json
print(json.loads('"é"'), "x".encode("latin-1").decode("utf-8", "surrogateescape"))
print("threads", [name for name in sys.modules if name in ("asyncio", "threading", "aiohttp", "typing_extensions")])
"""


def test_nothing_is_imported_once_the_imports_are_closed_and_nothing_heavy_before() -> None:
    result = subprocess.run(
        [sys.executable, "-c", CHECK],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert result.stdout.splitlines() == ["refused", "é x", "threads []"]


def test_it_refuses_to_run_without_a_seal() -> None:
    script = "from carrack.shim import zygote; zygote.main(0)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (result.returncode, "sealed" in result.stderr) == (1, True)
    assert not seal.is_sealed()
