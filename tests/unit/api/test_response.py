"""Answers as values."""

from __future__ import annotations

import json

from carrack.api.response import Response, empty, encode_json, encoded_json, json_response, text


def test_json_is_one_compact_line() -> None:
    assert encode_json({"a": [1, None], "b": "é\n"}) == '{"a":[1,null],"b":"é\\n"}\n'.encode()
    answer = json_response({}, status=201, headers={"X": "y"})
    assert (answer.status, answer.body, answer.content_type, answer.headers) == (
        201,
        b"{}\n",
        "application/json",
        {"X": "y"},
    )


def test_file_names_that_are_no_text_do_not_break_an_answer() -> None:
    # A name on disk that is not UTF-8 comes as lone surrogates.
    assert encode_json("a\udcff") == b'"a?"\n'


def test_other_kinds() -> None:
    assert encoded_json(b"[]").content_type == "application/json"
    assert (empty().status, empty(304).status, empty().content_type) == (204, 304, "")
    assert text("é").body == "é".encode()
    assert Response().status == 200


def test_what_builds_tell_is_as_the_encoder_has_it() -> None:
    for said in ("plain", 'a "quoted" \\ \n\t\x1b[91m ü 你', "\udcff"):
        told = {"stream": said}
        assert encode_json(told) == (json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n").encode(
            "utf-8", "replace"
        )
