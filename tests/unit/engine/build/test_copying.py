"""From sources to layers."""

import io
import tarfile

import pytest
from tests.fakes.building import Workshop

from carrack.dockerfile.heredoc import Heredoc
from carrack.engine.build import copying
from carrack.engine.build.copying import Fetched
from carrack.engine.build.request import Files
from carrack.engine.build.steps import CopyStep, WorkdirStep
from carrack.errors import InvalidArgument

FILES = {"a": "1", "b": "2", "d/x": "3", "d/y/z": "4"}


def written(workshop: Workshop, step: CopyStep, base: dict[str, str] | None = None) -> list[str]:
    tree, below = workshop.context(FILES), workshop.context(base or {"etc/passwd": ""})
    out = io.BytesIO()
    copying.write_copy(copying.gather(step, Files(tree), {}), below, out.write, 7, None)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        return [f"{member.name}:{member.uid}" for member in tar if member.isreg()]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (CopyStep(("a",), "/x"), ["x:0"]),
        (CopyStep(("a",), "/x/"), ["x/a:0"]),
        (CopyStep(("a",), "/etc"), ["etc/a:0"]),
        (CopyStep(("a", "b"), "/x/"), ["x/a:0", "x/b:0"]),
        (CopyStep(("[ab]",), "/x/"), ["x/a:0", "x/b:0"]),
        (CopyStep(("d",), "/x"), ["x/x:0", "x/y/z:0"]),
        (CopyStep(("d",), "/x", exclude=("y",)), ["x/x:0"]),
        (CopyStep(("d/y/z",), "/x", parents=True), ["x/d/y/z:0"]),
        (CopyStep(("a",), "/x", owner="5:6"), ["x:5"]),
        (CopyStep(("<<f",), "/x/", inline=(Heredoc("f", content="hi"),)), ["x/f:0"]),
        (CopyStep(("<<f",), "/x", inline=(Heredoc("f", content="hi"),)), ["x:0"]),
        (CopyStep((".",), "/x"), ["x/a:0", "x/b:0", "x/d/x:0", "x/d/y/z:0"]),
    ],
)
def test_where_things_go(workshop: Workshop, step: CopyStep, expected: list[str]) -> None:
    assert written(workshop, step) == expected


@pytest.mark.parametrize("mode", ["99", "77777777777777777777777", "\u0663"])
def test_modes_that_are_none(workshop: Workshop, mode: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid chmod parameter"):
        written(workshop, CopyStep(("a",), "/x", mode=mode))


@pytest.mark.parametrize("step", [CopyStep(("a", "b"), "/x"), CopyStep(("*",), "/x")])
def test_several_need_a_folder(workshop: Workshop, step: CopyStep) -> None:
    with pytest.raises(InvalidArgument, match="must be a directory and end with a /"):
        written(workshop, step)


def test_linked_copies_do_not_look_below(workshop: Workshop) -> None:
    assert written(workshop, CopyStep(("a",), "/etc", link=True)) == ["etc:0"]


def test_what_was_fetched(workshop: Workshop) -> None:
    tree = workshop.context({"file": "1"})
    gathered = copying.gather(CopyStep(("http://x/file",), "/y/", remote=True), None, {"http://x/file": Fetched(tree)})
    assert [thing[0].name for _, thing in gathered.things()] == [b"file"]
    assert [entry.path for _, entry in copying.single_files(gathered)] == [b"file"]


def test_archives_are_unpacked_where_they_are_known(workshop: Workshop) -> None:
    tree, inner, below = workshop.context(FILES), workshop.context({"in/side": "1"}), workshop.context({})
    gathered = copying.gather(CopyStep(("a",), "/x/", remote=True), Files(tree), {})
    (entry,) = [entry for _, entry in copying.single_files(gathered)]
    gathered.archives[id(entry)] = inner
    out = io.BytesIO()
    copying.write_copy(gathered, below, out.write, 7, None)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        assert tar.getnames() == ["x", "x/in", "x/in/side"]


def test_without_a_context(workshop: Workshop) -> None:
    with pytest.raises(InvalidArgument, match="no build context"):
        copying.gather(CopyStep(("a",), "/"), None, {})


def test_digest_is_of_contents(workshop: Workshop) -> None:
    one, two = workshop.context({"a": "1"}), workshop.context({"a": "2"})
    digests = [copying.gather(CopyStep(("a",), "/"), Files(tree), {}).digest() for tree in (one, one, two)]
    assert digests[0] == digests[1] != digests[2]


def test_workdir(workshop: Workshop) -> None:
    below = workshop.context({"there/f": "1"})
    outs = []
    for path in ("/there", "/new/deep", "/there/f"):
        out = io.BytesIO()
        try:
            outs.append(copying.write_workdir(WorkdirStep(path), below, out.write, 7))
        except InvalidArgument as error:
            outs.append(str(error))  # type: ignore[arg-type]
    assert outs == [0, 2, "WORKDIR /there/f: there is a file of that name"]
