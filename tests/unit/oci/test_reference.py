"""Image names: Docker's short forms and its texts."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.oci import reference

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("user/app", "docker.io/user/app", "user/app"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:t", "localhost:5000/app:t", "localhost:5000/app:t"),
        ("Host/app", "Host/app", "Host/app"),
        ("example.com/a__b/c-d", "example.com/a__b/c-d", "example.com/a__b/c-d"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (f"busybox@sha256:{HEX}", f"docker.io/library/busybox@sha256:{HEX}", f"busybox@sha256:{HEX}"),
        (f"r.io/a:t@sha256:{HEX}", f"r.io/a:t@sha256:{HEX}", f"r.io/a:t@sha256:{HEX}"),
    ],
)
def test_forms(text: str, full: str, familiar: str) -> None:
    parsed = reference.parse(text)
    assert (str(parsed), parsed.familiar) == (full, familiar)
    assert reference.parse(str(parsed)) == parsed
    assert reference.parse(parsed.familiar) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
        ("user/App:x", "invalid reference format: repository name (user/App) must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a..b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:b c", "invalid reference format"),
        ("a/../b", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("https://x/y", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a" * 3000, "invalid reference format"),
        ("x.io/" + "a" * 256, "repository name must not be more than 255 characters"),
        ("a@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("a@md5:" + "a" * 32, "unsupported digest algorithm"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        reference.parse(text)
    assert str(caught.value) == message


def test_tags() -> None:
    assert reference.parse("a").with_default_tag().familiar == "a:latest"
    assert reference.parse("a:b").with_default_tag().familiar == "a:b"
    assert reference.parse_for_tag("a:b", "c").familiar == "a:c"
    assert reference.parse_for_tag("a", "").familiar == "a:latest"
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        reference.parse_for_tag("a", "-x")
    with pytest.raises(InvalidArgument, match="digest reference"):
        reference.parse_for_tag(f"a@sha256:{HEX}", "x")


def test_ids() -> None:
    assert reference.parse_id(HEX) == f"sha256:{HEX}"
    assert reference.parse_id(f"sha256:{HEX}") == f"sha256:{HEX}"
    assert reference.parse_id(HEX[:12]) is None


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="aZ0.:/@-_ sh256", max_size=40))
def test_parse_is_stable(text: str) -> None:
    try:
        parsed = reference.parse(text)
    except InvalidArgument:
        return
    assert reference.parse(str(parsed)) == parsed
    assert reference.parse(parsed.familiar) == parsed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("docker.io/registry.example/x:1", "docker.io/registry.example/x:1"),
        ("docker.io/localhost/x", "docker.io/localhost/x"),
        ("docker.io/user/x.y", "user/x.y"),
        ("docker.io/library/x.y", "x.y"),
        (f"docker.io/{'a' * 64}", f"docker.io/library/{'a' * 64}"),
    ],
)
def test_what_is_shown_is_read_as_the_same_name(text: str, shown: str) -> None:
    """Else a hub's repository named like a registry would be shown, removed and saved as that registry's."""
    assert reference.parse(text).familiar == shown
    assert reference.parse(shown) == reference.parse(text)


@pytest.mark.parametrize(
    ("text", "well"),
    [
        ("a.b-c__d_e---f", True),
        ("a.-b", False),
        ("a___b", False),
        ("a_.b", False),
        ("a-", False),
        ("a//b", False),
        ("é", False),
        ("x.y:80/a", True),
        ("x.y:/a", False),
        ("x.y:8a/a", False),
        ("x-.y/a", False),
        ("-x.y/a", False),
        ("x..y/a", False),
        ("[::1]/a", True),
        ("[]:1/a", False),
        ("[::1/a", False),
        ("[::1]80/a", False),
        ("[::1]:/a", False),
        ("[::g]/a", False),
        ("a:_t.-", True),
        ("a:.t", False),
        ("a@sha256:", False),
        (f"a@sha256:{HEX}@", False),
        (f"a@1sha:{HEX}", False),
        (f"a@sha+:{HEX}", False),
        (f"a@sha256:{HEX}g", False),
        ("a@", False),
    ],
)
def test_the_grammar(text: str, well: bool) -> None:
    if well:
        assert reference.parse(text).familiar == text
    else:
        with pytest.raises(InvalidArgument, match=r"^invalid reference format$"):
            reference.parse(text)


def test_names_are_values() -> None:
    one, other = reference.parse("r.io/a:t"), reference.parse("r.io/a:t")
    assert one == other
    assert len({one, other}) == 1
    assert one != "r.io/a:t"
    assert one != one.only()
    assert one.only(digest=f"sha256:{HEX}").familiar == f"r.io/a@sha256:{HEX}"
    assert repr(one) == "Reference('r.io/a:t')"


def test_to_read_names_is_cheap() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import carrack.oci.reference\n"
    code += "print(*sorted(set(sys.modules) - before))"
    source = str(Path(reference.__file__).parents[2])
    done = subprocess.run([sys.executable, "-IS", "-c", code, source], capture_output=True, text=True, check=True)
    assert all(name.startswith("carrack") or name == "errno" for name in done.stdout.split()), done.stdout
