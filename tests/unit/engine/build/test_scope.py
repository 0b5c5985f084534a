"""Build arguments before the first FROM."""

from carrack.dockerfile import file
from carrack.engine.build.scope import global_scope, proxies
from carrack.oci.platform import Platform

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


def test_global_scope() -> None:
    parsed = file.parse("ARG A=1\nARG B=${A}2\nARG C=$TARGETARCH\nARG D\nFROM x")
    scope = global_scope(parsed.globals, {"A": "9", "E": "e"}, AMD, ARM, "", "\\")
    assert (scope.known["A"], scope.known["B"], scope.known["C"]) == ("9", "92", "arm64")
    assert "D" not in scope.known
    assert "E" not in scope.known
    assert (scope.known["BUILDPLATFORM"], scope.known["TARGETVARIANT"]) == ("linux/amd64", "v8")
    assert scope.default("TARGETSTAGE") == "default"


def test_platforms_can_be_given() -> None:
    assert global_scope((), {"TARGETARCH": "mine"}, AMD, ARM, "s", "\\").known["TARGETARCH"] == "mine"


def test_unset() -> None:
    assert global_scope(file.parse("ARG A=$none\nFROM x").globals, {}, AMD, AMD, "", "\\").unset == {"none"}


def test_proxies() -> None:
    assert proxies({"HTTP_PROXY": "a", "no_proxy": "b", "OTHER": "c"}) == (
        "HTTP_PROXY=a", "http_proxy=a", "NO_PROXY=b", "no_proxy=b"
    )  # fmt: skip
