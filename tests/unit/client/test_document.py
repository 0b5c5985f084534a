from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.client import document
from carrack.errors import Unavailable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_values_come_back(value: object) -> None:
    for text in (document.dumps(value), document.indented(value)):
        assert document.loads(text) == json.loads(text) == value


def test_looks() -> None:
    assert document.dumps({"b": "<é>", "a": [1.5, None, True]}) == '{"b":"<é>","a":[1.5,null,true]}'
    shown = document.indented([{"a": [], "b": {}, "c": [1, {"d": "e"}]}])
    expected = json.dumps([{"a": [], "b": {}, "c": [1, {"d": "e"}]}], indent=4)
    assert shown == expected
    with pytest.raises(TypeError, match="no JSON form"):
        document.dumps({1, 2})


@pytest.mark.parametrize("text", [b"", b"{", b"{} x", b"nope", b"\xff", b'{"a" 1}', b"[1,]", b"[" * 100_000])
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(Unavailable):
        document.loads(text)


def test_streams_however_they_are_cut() -> None:
    data = b'{"a":"\xc3\xa9"}\r\n\n{"b":2}\n{"c":3}'
    for size in (1, 2, 5, 100):
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        assert list(document.stream(chunks)) == [{"a": "é"}, {"b": 2}, {"c": 3}]


@given(VALUES)
def test_without_the_interpreters_own_scanner(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "_json", None)
        codec = document._Codec()
    text = codec.encode(value)
    assert text == document.dumps(value)
    assert codec.scan(text, 0) == (value, len(text))
    assert codec.quote("é\n") == '"é\\n"'


def test_the_scanner_is_loaded_when_it_is_needed() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from carrack.client import document\n"
    code += "print('_json' in sys.modules); document.ready(); print('_json' in sys.modules)"
    source = str(Path(document.__file__).parents[2])
    done = subprocess.run([sys.executable, "-IS", "-c", code, source], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue\n"
