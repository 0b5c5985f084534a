"""Rules for sources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from carrack.engine.build import giturl, policies
from carrack.engine.build.patterns import EXACT, REGEX
from carrack.engine.build.policies import (
    ALL,
    ALLOW,
    CONVERT,
    DENY,
    MATCHES,
    NOTEQUAL,
    Constraint,
    Policy,
    Rule,
)
from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotSupported, Unavailable

IMAGE = "docker-image://docker.io/library/"


def changed(*rules: Rule, source: str = f"{IMAGE}a:1") -> str:
    return Policy(rules).evaluate(source)[0]


def test_the_last_that_fits_counts() -> None:
    assert changed(Rule(DENY, "*"), Rule(ALLOW, f"{IMAGE}a:*")) == f"{IMAGE}a:1"
    with pytest.raises(Forbidden) as raised:
        changed(Rule(ALLOW, "*"), Rule(DENY, f"{IMAGE}a:1"))
    assert str(raised.value) == f'source "{IMAGE}a:1" denied by policy: source denied by policy'
    assert changed(Rule(DENY, "docker-image://a"), Rule(DENY, f"{IMAGE}*", EXACT)) == f"{IMAGE}a:1"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(CONVERT, f"{IMAGE}*:1", becomes=f"{IMAGE}${{1}}:2"), f"{IMAGE}a:2"),
        (Rule(CONVERT, "library/(?P<name>.*):1$", REGEX, becomes="mine/$name:$$"), "docker-image://docker.io/mine/a:$"),
        (Rule(CONVERT, f"{IMAGE}a:1", EXACT, becomes=f"{IMAGE}b:1"), f"{IMAGE}b:1"),
        (Rule(CONVERT, f"{IMAGE}*:1", becomes=f"{IMAGE}b:1$2$no"), f"{IMAGE}b:1"),
        (Rule(CONVERT, f"{IMAGE}*:1"), f"{IMAGE}a:1"),
    ],
)
def test_what_is_made_of_a_source(rule: Rule, expected: str) -> None:
    assert changed(rule) == expected


def test_what_was_made_is_looked_at_again() -> None:
    there = Rule(CONVERT, f"{IMAGE}a:1", becomes=f"{IMAGE}b:1")
    with pytest.raises(Forbidden, match='b:1" denied'):
        changed(there, Rule(DENY, f"{IMAGE}b:1"))
    with pytest.raises(InvalidArgument, match="too many mutations"):
        changed(there, Rule(CONVERT, f"{IMAGE}b:1", becomes=f"{IMAGE}a:1"))


def test_attributes() -> None:
    url = "https://h/f"
    bare = Rule(DENY, "https://*", constraints=(Constraint("http.checksum", "^sha256:", MATCHES),))
    with pytest.raises(Forbidden):
        Policy((bare,)).file(url, "sha256:00")
    assert Policy((bare,)).file(url) == (url, "")
    with pytest.raises(Forbidden):
        Policy((Rule(DENY, "*", constraints=(Constraint("http.checksum", "x", NOTEQUAL),)),)).file(url)
    assert Policy((Rule(CONVERT, url, attributes={"http.checksum": "sha256:11"}),)).file(url) == (url, "sha256:11")


@pytest.mark.parametrize(
    ("policy", "ask", "kind", "text"),
    [
        (Rule(DENY, "[", REGEX), "a", InvalidArgument, "error matching source policy: error parsing regexp: missing"),
        (
            Rule(DENY, "a", constraints=(Constraint("a", "[", MATCHES),)), "a", InvalidArgument,
            'error matching source policy: invalid regex "[": error parsing regexp: missing closing ]: `[`',
        ),
        (Rule(DENY, "**"), "a", InvalidArgument, 'invalid wildcard: "**"'),
        (Rule(CONVERT, f"{IMAGE}*", becomes="http://h"), "a", InvalidArgument, "ref mutated by policy to non-image"),
        (Rule(DENY, "*"), "a:1", Forbidden, "a:1: failed to resolve source metadata for docker.io/library/a:1: could"),
        (Rule(CONVERT, f"{IMAGE}*", attributes={"x": "y"}), "a", NotSupported, "sets x, which is not supported"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_had(policy: Rule, ask: str, kind: type[CarrackError], text: str) -> None:
    with pytest.raises(kind) as raised:
        Policy((policy,)).image(ask)
    assert text in str(raised.value)


def test_images() -> None:
    assert ALL.image("a") == "a"
    assert Policy((Rule(ALLOW, "*"),)).image("a") == "a"
    assert Policy((Rule(CONVERT, f"{IMAGE}a:latest", becomes="docker-image://h:5/a:2"),)).image("a") == "h:5/a:2"


@pytest.mark.parametrize(
    ("source", "identifier"),
    [
        ("https://me:x@h:8/a/b.git#main:sub", "git://h:8/a/b.git#main:sub"),
        ("git@h:a/b.git", "git://h/a/b.git"),
        ("git://h/b?tag=v1", "git://h/b#refs/tags/v1"),
        ("https://h/b.git#:sub", "git://h/b.git#:sub"),
    ],
)
def test_repositories(source: str, identifier: str) -> None:
    wanted = giturl.parse(source)
    assert ALL.repository(wanted, True) == (wanted, True)
    assert Policy((Rule(ALLOW, "*"),)).repository(wanted, True) == (wanted, True)
    with pytest.raises(Forbidden, match="failed to load LLB"):
        Policy((Rule(DENY, identifier, EXACT),)).repository(wanted, False)
    keys = {"git.knownsshhosts": "h ssh-ed25519 AAAA"}
    assert Policy((Rule(CONVERT, "git://*", attributes=keys),)).repository(wanted, True) == (
        replace(wanted, known_hosts="h ssh-ed25519 AAAA"), True,
    )  # fmt: skip
    other = {"git.fullurl": "https://m/b.git", "git.keepgitdir": "true", "git.skipsubmodules": "true"}
    made, keep = Policy((Rule(CONVERT, "git://*", attributes=other),)).repository(wanted, False)
    assert (made.url, made.ref, made.folder, made.submodules, keep) == (
        "https://m/b.git", wanted.ref, wanted.folder, False, True,
    )  # fmt: skip


def test_only_the_same_kind_is_taken_instead() -> None:
    turned = Policy((Rule(CONVERT, "*", becomes="oci-layout://x"),))
    for ask in (lambda: turned.file("http://h/f"), lambda: turned.folder("context")):
        with pytest.raises(NotSupported, match="only the same kind of source"):
            ask()
    policies.ALL.folder("context")


def test_a_source_that_is_too_long_to_be_searched() -> None:
    source = "https://" + "a" * 5000
    with pytest.raises(InvalidArgument, match="more than the limit"):
        changed(Rule(DENY, "https://*b*c*d"), source=source)
    assert ALL.file(source) == (source, "")


def test_a_source_that_grows_and_grows() -> None:
    with pytest.raises(InvalidArgument, match=r"error mutating source policy: .* more than 4096 characters"):
        changed(Rule(CONVERT, "a", REGEX, becomes="$0" * 2000), source="a" * 4000)


def test_nobody_waits_any_more() -> None:
    policy = Policy((Rule(ALLOW, "*"),), given_up=lambda: True)
    with pytest.raises(Unavailable):
        policy.image("a")
