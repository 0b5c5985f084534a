"""What of caches a client asks for."""

import pytest

from carrack.engine.build.caching.wanted import CacheAt, Form, check_export, check_import, form, listed
from carrack.errors import InvalidArgument, NotSupported


def test_listed() -> None:
    text = '["user/app:cache", {"Type": "local", "Attrs": {"src": "d"}}, {"Type": "inline"}]'
    found = listed(text, "cachefrom")
    assert [each.kind for each in found] == ["registry", "local", "inline"]
    assert [each.place for each in found] == ["user/app:cache", "d", "inline"]
    assert listed("", "cachefrom") == []


@pytest.mark.parametrize("text", ["[", "{}", "[1]", '[{"Attrs": {}}]', '[{"Type": "local", "Attrs": {"src": 1}}]'])
def test_listed_wrongly(text: str) -> None:
    with pytest.raises(InvalidArgument, match="cachefrom"):
        listed(text, "cachefrom")


@pytest.mark.parametrize(
    ("kind", "attributes", "failure"),
    [
        ("s3", {}, NotSupported),
        ("registry", {}, InvalidArgument),
        ("local", {"dest": ""}, InvalidArgument),
        ("inline", {"ref": "r"}, NotSupported),
        ("registry", {"ref": "r", "mode": "most"}, InvalidArgument),
        ("registry", {"ref": "r", "image-manifest": "yes"}, InvalidArgument),
        ("registry", {"ref": "r", "image-manifest": "true", "oci-mediatypes": "false"}, InvalidArgument),
        ("registry", {"ref": "r", "compression": "estargz"}, NotSupported),
        ("registry", {"ref": "r", "compression-level": "x"}, InvalidArgument),
        ("registry", {"ref": "r", "compression-level": "10"}, InvalidArgument),
        ("registry", {"ref": "r", "unheard": "of"}, NotSupported),
    ],
)
def test_exports_that_are_refused(kind: str, attributes: dict[str, str], failure: type[Exception]) -> None:
    with pytest.raises(failure):
        check_export(CacheAt(kind, attributes))


def test_exports() -> None:
    at = check_export(
        CacheAt("registry", {"ref": "r", "mode": "max", "compression": "zstd", "compression-level": "22"})
    )
    assert (at.whole, form(at)) == (True, Form("zstd", 22))
    assert form(CacheAt("local", {"dest": "d", "compression-level": "9"})) == Form("gzip", 9)
    assert not CacheAt("local", {"dest": "d"}).whole
    assert CacheAt("local", {"ignore-error": "TRUE"}).flag("ignore-error")


def test_imports_that_are_refused() -> None:
    with pytest.raises(NotSupported):
        check_import(CacheAt("gha", {"scope": "x"}))
    with pytest.raises(NotSupported):
        check_import(CacheAt("local", {"srcs": "x"}))
