"""Taking an archive in: files by name, links by their letters, nothing left behind."""

import gzip
import io
from pathlib import Path

import pytest
from tests.fakes.images import tar

from carrack.engine.images import intake as taking
from carrack.engine.images.intake import Intake
from carrack.errors import InvalidArgument
from carrack.storage.content import ContentStore


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path)


def test_files_and_links(content: ContentStore) -> None:
    files = {"./a/x": b"1", "a/y@": b"x", "b/z@": b"../a/./y", "loop@": b"loop", "out@": b"../../etc/passwd"}
    with Intake(content) as intake:
        intake.read(io.BytesIO(gzip.compress(tar(files))))
        assert intake.document("a/x", 9) == b"1"
        assert intake.document("b/z", 9) == b"1"
        assert intake.document("./a//x", 9) == b"1"
        assert not any(intake.has(name) for name in ("loop", "out", "a", "nope", "../a/x/.."))
        with pytest.raises(InvalidArgument, match="no file 'nope'"):
            intake.spool("nope")
        assert len(list((content.root / "ingest").iterdir())) == 1
    assert list((content.root / "ingest").iterdir()) == []


def test_limits(content: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "ENTRY_LIMIT", 2)
    with Intake(content) as intake:
        intake.read(io.BytesIO(tar({"big": b"x" * 100})))
        with pytest.raises(InvalidArgument, match="big has 100 bytes, the limit is 99"):
            intake.document("big", 99)
        with pytest.raises(InvalidArgument):
            intake.read(io.BytesIO(tar({str(n): b"" for n in range(5)})))
    assert list((content.root / "ingest").iterdir()) == []


def test_room_is_left_in_front_of_plain_tars_only(content: ContentStore) -> None:
    inner = tar({"etc/x": b"y" * 600})
    files = {"layer.tar": inner, "layer.gz": gzip.compress(inner), "text": b"t" * 2000, "short": inner[:100]}
    with Intake(content, 4096) as intake:
        intake.read(io.BytesIO(tar(files)))
        assert {name: intake.spool(name).room for name in files} == {
            "layer.tar": 4096, "layer.gz": 0, "text": 0, "short": 0
        }  # fmt: skip
        assert intake.document("layer.tar", 1 << 20) == inner
        assert intake.spool("layer.tar").path.read_bytes() == bytes(4096) + inner
