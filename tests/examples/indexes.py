"""Whether the indexes that packages are installed from answer here: asked once, briefly, as a build would."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from functools import cache
from urllib.parse import urlsplit

import pytest

from carrack.engine.images import debian

_SECONDS = 5.0
#: the variable that names an index (as `kitchen.passed_on` hands it over), its default, and what is asked of it
_INDEXES = {
    "apt": ("", debian.MIRROR, "dists/bookworm/InRelease"),
    "pip": ("PIP_INDEX_URL", "https://pypi.org/simple", "bottle/"),
    "npm": ("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org", "ms"),
}


def needed(program: str) -> None:
    """Skip the test, by the name of the index, unless the one of apt, pip or npm answers."""
    wish = os.environ.get("CARRACK_TEST_PACKAGES", "")
    if wish == "0":
        pytest.skip("CARRACK_TEST_PACKAGES is 0")
    if not wish and (why := silent(program)):
        pytest.skip(f"{why} (CARRACK_TEST_PACKAGES=1 runs it all the same)")


@cache
def silent(program: str) -> str:
    """Why nothing can be installed by a program in a container; "" where it can."""
    variable, default, path = _INDEXES[program]
    address = f"{(os.environ.get(variable) or default).rstrip('/')}/{path}"
    proxy = urllib.request.getproxies().get(urlsplit(address).scheme, "")
    for what, name in (("proxy", proxy), ("index", address)):
        if urlsplit(name).hostname in ("localhost", "127.0.0.1", "::1"):
            return f"{program}'s {what} {name} is on this machine's loopback, where no container is"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            answer.read(1)
    except (urllib.error.URLError, OSError) as problem:
        return f"{program}'s index {address} does not answer: {problem}"
    return ""
