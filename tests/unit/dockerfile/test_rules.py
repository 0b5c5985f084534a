"""The table of rules."""

from carrack.dockerfile.rules import RULES


def test_addresses() -> None:
    assert RULES["JSONArgsRecommended"].url.endswith("/rule/json-args-recommended/")
    assert RULES["SecretsUsedInArgOrEnv"].url.endswith("/rule/secrets-used-in-arg-or-env/")
    assert RULES["UndefinedVar"].url == "https://docs.docker.com/go/dockerfile/rule/undefined-var/"


def test_all_are_there() -> None:
    assert len(RULES) == 22
    assert {name for name, rule in RULES.items() if rule.experimental} == {
        "CopyIgnoredFile",
        "InvalidDefinitionDescription",
    }
