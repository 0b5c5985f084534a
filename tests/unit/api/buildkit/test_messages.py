"""The tables of BuildKit's messages."""

from carrack.api.buildkit import messages as m
from carrack.http.protobuf import decode, encode


def test_numbers_and_names_are_used_once_a_message() -> None:
    tables = {name: value for name, value in vars(m).items() if isinstance(value, dict) and name.isupper()}
    assert len(tables) > 20
    for name, fields in tables.items():
        assert len({field.name for field in fields.values()}) == len(fields), name


def test_a_solve_request_as_buildx_sends_it() -> None:
    # Ref "r", Session "s", FrontendAttrs {"filename": "D"}, Exporters [{Type "moby", Attrs {"name": "x"}}]
    data = bytes.fromhex("0a01722a01733a0d0a0866696c656e616d651201446a110a046d6f627912090a046e616d65120178")
    message = decode(data, m.SOLVE)
    assert (message["Ref"], message["Session"], message["FrontendAttrs"]) == ("r", "s", {"filename": "D"})
    assert message["Exporters"] == [{"Type": "moby", "Attrs": {"name": "x"}}]
    assert encode(message, m.SOLVE) == data
