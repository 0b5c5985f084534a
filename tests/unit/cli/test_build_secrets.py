"""Secrets of builds as the user names them."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from carrack.cli.build_secrets import HEADER, header
from carrack.cli.exit import Exit


def read(*words: str, **environment: str) -> dict[str, bytes]:
    ((name, text),) = header(words, environment)
    assert name == HEADER
    return {key: b64decode(value) for key, value in json.loads(b64decode(text)).items()}


def test_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_bytes(b"\0file")
    assert read("id=a,src=f", "id=b,env=V", "id=V", V="v") == {"a": b"\0file", "b": b"v", "V": b"v"}
    assert read("id=f", "type=env,id=c,src=V", "id=V,source=f", V="v") == {"f": b"\0file", "c": b"v", "V": b"\0file"}
    assert header([], {}) == []


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("src=f", "say id=NAME"), ("token", "token is not known"), ("id=a,what=b", "what is not known"),
        ("id=a,type=x", "x is not known"), ("id=a,env=NONE", "no variable NONE"), ("id=a,src=/none", "No such file"),
        ("id=a,src=/dev/zero", "larger than"),
    ],
)  # fmt: skip
def test_what_is_refused(word: str, said: str) -> None:
    with pytest.raises(Exit, match=said):
        header([word], {})
