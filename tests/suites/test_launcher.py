"""The launcher of the program ``carrack`` must cost no more than the program: see bin/carrack."""

import subprocess
import sys
from pathlib import Path

from carrack import __version__

LAUNCHER = Path(__file__).parents[2] / "bin" / "carrack"


def run(*words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, str(LAUNCHER), *words], capture_output=True, text=True, check=False)


def test_runs_the_program() -> None:
    assert __version__ in run("--version").stdout


def test_passes_the_exit_code_on() -> None:
    assert run("no-such-verb").returncode != 0


def test_finds_its_package_without_site() -> None:
    done = run("--version", flags=("-I", "-S"))
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


def installed(tmp_path: Path) -> str:
    """An interpreter that has no .pth file beside it: the package lies in site-packages itself."""
    place = tmp_path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    place.mkdir(parents=True)
    (place / "carrack").symlink_to(LAUNCHER.parents[1] / "src" / "carrack")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return str(tmp_path / "bin" / "python")


def test_finds_its_package_where_it_is_installed(tmp_path: Path) -> None:
    command = [installed(tmp_path), "-IS", str(LAUNCHER), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


def test_loads_neither_os_nor_site(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['carrack', 'exec', '--help']\nimport posix; end = posix._exit\n"
    code += "posix._exit = lambda code: end(3 if {'os', 'site'} & set(sys.modules) else code)\n"
    code += f"exec(compile(open({str(LAUNCHER)!r}).read(), 'carrack', 'exec'))"
    done = subprocess.run([installed(tmp_path), "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loads_no_regular_expressions() -> None:
    # -S: what a site's own start-up files load is not ours; the package is found through its path then
    path = str(LAUNCHER.parents[1] / "src")
    code = f"import sys; sys.path.insert(0, {path!r}); sys.argv[1:] = ['--version']\n"
    code += "import os; end = os._exit; os._exit = lambda code: end(3 if 're' in sys.modules else code)\n"
    code += f"exec(compile(open({str(LAUNCHER)!r}).read(), 'carrack', 'exec'))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
