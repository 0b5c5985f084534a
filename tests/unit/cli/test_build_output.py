"""Where ``build --output`` puts files."""

import base64
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from carrack.cli import build_output
from carrack.cli.exit import Exit


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("out", ("local", "out")),
        ("-", ("tar", "-")),
        ("type=tar", ("tar", "-")),
        ("type=tar,dest=x.tar", ("tar", "x.tar")),
        ("type=local,dest=a/b", ("local", "a/b")),
    ],
)
def test_words(word: str, found: tuple[str, str]) -> None:
    assert build_output.parse(word) == found


@pytest.mark.parametrize("word", ["type=oci,dest=x", "type=local", "type=local,dest=-", "type=tar,dest=x,mode=1"])
def test_refusals(word: str) -> None:
    with pytest.raises(Exit):
        build_output.parse(word)


def messages(cut: bool = False) -> list[Any]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("d/f")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"text"))
    data = out.getvalue()
    pieces = [data[:700], data[700:]]
    sent: list[Any] = [
        {"id": "carrack.build.output", "aux": {"Data": base64.b64encode(piece).decode()}} for piece in pieces
    ]
    return [{"stream": "Step 1/1"}, sent[0], {"error": "no more"} if cut else sent[1]]


def test_a_folder_and_a_tar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build_output.take(messages(), "local", str(tmp_path / "new" / "out"))
    assert (tmp_path / "new" / "out" / "d" / "f").read_text() == "text"
    build_output.take(messages(), "tar", str(tmp_path / "out.tar"))
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == ["d/f"]
    assert capfd.readouterr().out == "Step 1/1" * 2


def test_what_fails_leaves_no_tar(tmp_path: Path) -> None:
    with pytest.raises(Exit, match="no more"):
        build_output.take(messages(cut=True), "tar", str(tmp_path / "out.tar"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exit, match="broken"):
        build_output.take([{"error": "broken"}], "local", str(tmp_path / "out"))
