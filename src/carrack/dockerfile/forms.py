"""The forms in which arguments are written: a JSON list, words, ``key=value`` pairs, or the rest of the line."""

from __future__ import annotations

import json
import re

from carrack.dockerfile.commands import Pair, Words
from carrack.errors import InvalidArgument

_HALF = re.compile("[\ud800-\udfff]")


def json_words(text: str) -> tuple[str, ...] | None:
    """The words of a JSON list of strings; None when ``text`` is no JSON list, and so is meant for the shell.

    Raises InvalidArgument for a list of something else.
    """
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(word, str) for word in value):
        raise InvalidArgument(f"when using JSON array syntax, arrays must be comprised of strings only: {text}")
    return tuple(_HALF.sub("\ufffd", word) for word in value)  # as Go's decoder has it


def command(text: str) -> Words:
    """A command line: the exec form when it is a JSON list, else the shell form."""
    words = json_words(text)
    return Words((text,), shell=True) if words is None else Words(words, shell=False)


def listed(text: str) -> tuple[str, ...]:
    """A JSON list, or what spaces separate."""
    words = json_words(text)
    return tuple(text.split()) if words is None else words


def quoted_words(text: str, escape: str) -> list[str]:
    """``text`` at spaces outside quotes; quotes and escapes stay in the words."""
    words: list[str] = []
    word = ""
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char.isspace() and not quote:
            words += [word] if word else []
            word = ""
            continue
        if char == escape and quote != "'" and at < len(text):
            char += text[at]
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        word += char
    return [*words, word] if word else words


def pairs(name: str, text: str, escape: str) -> tuple[Pair, ...]:
    """``a=b c="d e"``, or the old form ``a the rest of the line``. Raises InvalidArgument."""
    words = quoted_words(text, escape)
    if not words:
        raise InvalidArgument(f"{name} requires at least one argument")
    if "=" not in words[0]:
        key, *rest = text.split(None, 1)
        if not rest:
            raise InvalidArgument(f"{name} must have two arguments")
        return (Pair(key, rest[0].rstrip(), legacy=True),)
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f"Syntax error - can't find = in {json.dumps(word)}. Must be of the form: name=value")
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        found.append(Pair(key, value))
    return tuple(found)


def optional_pairs(name: str, text: str, escape: str) -> tuple[Pair, ...]:
    """``a b=c``: names of which some have values. Raises InvalidArgument."""
    words = quoted_words(text, escape)
    if not words:
        raise InvalidArgument(f"{name} requires at least one argument")
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        found.append(Pair(key, value if equals else None))
    return tuple(found)
