"""What a start reads in place of its modules, seen from the installed program in a tree of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from carrack import __version__
from carrack.cli.bundle import Bundles, read, seal, where
from carrack.cli.main import main

ROOT = Path(__file__).parents[3]
TAG = sys.implementation.cache_tag
VERB = ("ps", "--help")
SHORT = "List containers"
HELP = ["carrack.cli.help", "carrack.cli.terminal"]  # what the usual run of a verb does not need is in no bundle


class Tree:
    """The command line as it is installed: a launcher, an interpreter beside it, and the package in its place."""

    def __init__(self, path: Path, editable: bool = False) -> None:
        self.path = path
        self.place = path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
        self.place.mkdir(parents=True)
        (path / "bin").mkdir()
        (path / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        shutil.copy(ROOT / "bin" / "carrack", path / "bin")
        self.package = self.add(path / "src" if editable else self.place)
        if editable:
            (path / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
            self.lead_to(path / "src")

    def add(self, parent: Path) -> Path:
        """The package as it was left some time ago."""
        source = ROOT / "src" / "carrack"
        (parent / "carrack").mkdir(parents=True)
        for path in source.rglob("*.py"):
            name = path.relative_to(source)
            if name.parts[0] in ("__init__.py", "errors.py", "cli", "client", "http", "model", "oci", "dockerfile"):
                (parent / "carrack" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, parent / "carrack" / name)
                settle(parent / "carrack" / name)
        return parent / "carrack"

    def lead_to(self, parent: Path) -> None:
        (self.place / "__editable__.carrack-0.1.0.pth").write_text(f"{parent}\n")

    def run(self, *words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [str(self.path / "bin" / "python"), "-IS", *flags, str(self.path / "bin" / "carrack"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def out(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def imported(self, *words: str) -> list[str]:
        """Our modules that a run imports by their paths."""
        done = self.run(*words, flags=("-X", "importtime"))
        names = [
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
        ]
        return sorted(name for name in names if name.startswith("carrack"))

    @property
    def bundles(self) -> list[Path]:
        return sorted(self.path.rglob("*.bundle*"))


def settle(path: Path, ago: int = 3600) -> None:
    before = path.stat().st_mtime - ago
    os.utime(path, (before, before))


def edit(path: Path, old: str, new: str) -> None:
    """Change a source without changing its size."""
    text = path.read_text()
    assert old in text
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    settle(path, 60)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


@pytest.fixture
def filled(tree: Tree) -> Tree:
    tree.run(*VERB)
    assert len(tree.bundles) == 3
    return tree


@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_the_second_run_imports_nothing_by_path(tmp_path: Path, editable: bool) -> None:
    tree = Tree(tmp_path / "tree", editable)
    first = tree.out(*VERB)
    assert SHORT in first
    assert [path.name for path in tree.bundles] == [f"{n}.{TAG}.bundle" for n in ("carrack", "command", "ps")]
    assert tree.imported(*VERB) == HELP
    assert tree.out(*VERB) == first
    assert tree.out("--version") == f"Carrack version {__version__}\n"
    assert tree.imported("--version") == []


def test_another_verb_shares_what_is_common(filled: Tree) -> None:
    common = filled.bundles[:2]
    before = [path.stat().st_ino for path in common]
    filled.run("completion", "bash")
    assert "carrack.cli.commands.completion" not in filled.imported("completion", "bash")
    assert [path.stat().st_ino for path in common] == before


@pytest.mark.parametrize("source", ["cli/commands/ps.py", "model/units.py", "cli/command.py", "cli/bundle.py"])
def test_an_edited_source_is_read(filled: Tree, source: str) -> None:
    path = filled.package / source
    path.write_text(path.read_text() + "\nimport sys\nsys.stdout.write('edited\\n')\n")
    assert filled.out(*VERB).startswith("edited\n")  # too new for a bundle yet
    assert filled.out(*VERB).startswith("edited\n")
    settle(path, 60)
    assert filled.out(*VERB).startswith("edited\n")
    assert filled.imported(*VERB) == HELP


def test_an_edited_source_of_the_same_size(filled: Tree) -> None:
    edit(filled.package / "cli" / "commands" / "ps.py", SHORT, "Tell containers")
    assert "Tell containers" in filled.out(*VERB)
    assert filled.imported(*VERB) == HELP
    assert "Tell containers" in filled.out(*VERB)


def test_a_touched_source_makes_a_new_bundle(filled: Tree) -> None:
    settle(filled.package / "cli" / "flags.py", 5)
    assert "carrack.cli.flags" in filled.imported(*VERB)
    assert filled.imported(*VERB) == HELP


def test_a_source_that_is_gone(filled: Tree) -> None:
    (filled.package / "cli" / "render" / "fields.py").unlink()
    done = filled.run(*VERB)
    assert done.returncode != 0
    assert "carrack.cli.render.fields" in done.stderr


def _shorter(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _other(data: bytes) -> bytes:
    return data[:8] + bytes(byte ^ 0x55 for byte in data[8:])


def _flipped(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def _of_another_interpreter(data: bytes) -> bytes:
    return bytes(8) + data[8:]


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", [_shorter, _other, _flipped, _of_another_interpreter, lambda _: b"", lambda _: b"x"])
def test_a_damaged_bundle_is_ignored_and_replaced(filled: Tree, which: int, damage: object) -> None:
    path = filled.bundles[which]
    sound = path.read_bytes()
    path.write_bytes(damage(sound))  # type: ignore[operator]
    assert SHORT in filled.out(*VERB)
    assert path.read_bytes()[:8] == seal(path.read_bytes()[8:])
    assert filled.imported(*VERB) == HELP


@pytest.mark.parametrize("body", [b"", b"N", b"i\1\0\0\0", b"("])
def test_a_bundle_of_another_form_is_ignored(filled: Tree, body: bytes) -> None:
    for path in filled.bundles:
        path.write_bytes(seal(body) + body)
    assert SHORT in filled.out(*VERB)


def test_a_moved_tree(filled: Tree) -> None:
    moved = filled.path.with_name("moved")
    filled.path.rename(moved)
    filled.path, filled.place = moved, moved / filled.place.relative_to(filled.path)
    assert SHORT in filled.out(*VERB)
    assert filled.imported(*VERB) == HELP
    for path in filled.bundles[1:]:
        bundle = read(str(path))
        assert bundle is not None
        assert bundle[0].startswith(str(moved))


def test_an_editable_installation_that_leads_elsewhere(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", editable=True)
    tree.out(*VERB)
    other = tree.add(tmp_path / "other")
    edit(other / "cli" / "commands" / "ps.py", SHORT, "Tell containers")
    tree.lead_to(tmp_path / "other")
    assert "Tell containers" in tree.out(*VERB)
    assert "Tell containers" in tree.out(*VERB)


def test_failures_and_those_who_want_no_bytecode_leave_none(tree: Tree) -> None:
    assert tree.run("no-such-verb").returncode != 0
    assert tree.run(*VERB, flags=("-B",)).returncode == 0
    assert tree.run(*VERB, flags=("-X", f"pycache_prefix={tree.path}/elsewhere")).returncode == 0
    assert tree.bundles == []


def test_with_site_there_are_none(tree: Tree) -> None:
    command = [sys.executable, str(tree.path / "bin" / "carrack"), *VERB]
    done = subprocess.run(command, capture_output=True, env={"PYTHONPATH": str(tree.place)}, check=False, timeout=30)
    assert done.returncode == 0
    assert tree.bundles == []


def test_many_at_once(tree: Tree) -> None:
    command = [str(tree.path / "bin" / "python"), "-IS", str(tree.path / "bin" / "carrack"), *VERB]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    ended = [process.communicate(timeout=30) for process in running]
    assert all(SHORT.encode() in out and not error for out, error in ended)
    assert len(tree.bundles) == 3  # and nothing unfinished
    assert tree.imported(*VERB) == HELP


MODULES = """
import importlib, importlib.resources, inspect, pickle, traceback
from carrack.cli import exit as ours, main as program
assert ours.__spec__.origin == ours.__file__ and ours.__spec__.parent == ours.__package__ == "carrack.cli"
assert inspect.getsource(ours.Exit).startswith("class Exit")
assert inspect.getmodule(ours.Exit) is ours and inspect.getsourcefile(ours) == ours.__file__
assert pickle.loads(pickle.dumps(ours.flush)) is ours.flush
assert "class Exit" in (importlib.resources.files("carrack.cli") / "exit.py").read_text()
assert importlib.reload(ours) is ours and ours.__doc__
import carrack.cli.gpus, carrack.cli.render.fields
assert carrack.cli.gpus.__file__.endswith("/carrack/cli/gpus.py")
try:
    ours.unreachable("x", None)
    program.load("ps:NONE")
except AttributeError as error:
    told = "".join(traceback.format_exception(error))
    assert "error.strerror or error" in told or "getattr(sys.modules[path], name)" in told, told
print("as ever")
"""


def test_modules_are_what_imported_ones_are(filled: Tree) -> None:
    """In the place of the launcher's last line, with all that it has taken from the bundle."""
    launcher = filled.path / "bin" / "carrack"
    text = launcher.read_text().replace("run(place, started)", f"assert len(started) > 3\nexec({MODULES!r})")
    launcher.write_text(text)
    done = filled.run()
    assert (done.stdout, done.stderr) == ("as ever\n", "")


def test_a_module_that_fails_does_so_in_the_usual_way(filled: Tree) -> None:
    path = filled.package / "cli" / "commands" / "ps.py"
    path.write_text(path.read_text() + "\nimport carrack.sometimes\n")
    settle(path, 60)
    sometimes = filled.package / "sometimes.py"
    sometimes.write_text("")
    assert SHORT in filled.out(*VERB)
    sometimes.write_text("raise RuntimeError('now it fails')")
    done = filled.run(*VERB)
    assert "now it fails" in done.stderr
    assert "commands/ps.py" in done.stderr


def test_within_a_process_none_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps", "--help"]) == 0
    assert SHORT in capsys.readouterr().out


def test_bundles_of_nowhere_bring_by_path(tmp_path: Path) -> None:
    bundles = Bundles(str(tmp_path))
    bundles.bring("carrack.cli.commands.ps")
    assert "carrack.cli.commands.ps" in sys.modules
    assert read(str(tmp_path / "none")) is None


def test_where_bundles_are() -> None:
    assert where("/x/carrack", "carrack.cli.commands.ps") == f"/x/carrack/cli/commands/__pycache__/ps.{TAG}.bundle"
    assert where("/x/carrack", "carrack.cli.command") == f"/x/carrack/cli/__pycache__/command.{TAG}.bundle"
