"""Platforms: the many spellings come to one."""

import pytest

from carrack.errors import InvalidArgument
from carrack.oci.platform import Platform, from_document, matches, normal, of_machine, parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("Linux/X86_64", "linux/amd64"),
        ("windows/amd64", "windows/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
    ],
)
def test_parse(text: str, shown: str) -> None:
    assert str(parse(text)) == shown


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "nonsense", "li nux/amd64", "../amd64"])
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


def test_documents_and_matching() -> None:
    platform = Platform("linux", "arm", "v7", "10.0", ("a",))
    assert from_document(platform.document()) == platform
    assert matches(normal("linux", ""), platform)
    assert not matches(normal("linux", "arm", "v6"), platform)
    assert not matches(normal("windows", "arm"), platform)
    assert of_machine("aarch64") == normal("linux", "arm64")
