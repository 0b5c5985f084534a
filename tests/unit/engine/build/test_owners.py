"""``--chown``."""

import pytest
from tests.fakes.building import Workshop

from carrack.engine.build.owners import resolve
from carrack.errors import InvalidArgument

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1001:me:/home/me:/bin/sh\n",
    "etc/group": "root:x:0:\nus:x:2000:me\n",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me", (1000, 1001)),
        ("me:us", (1000, 2000)),
        ("5", (5, 5)),
        ("5:6", (5, 6)),
        ("me:7", (1000, 7)),
        ("0:us", (0, 2000)),
    ],
)
def test_resolve(workshop: Workshop, text: str, expected: tuple[int, int]) -> None:
    tree = workshop.context(FILES)
    assert resolve(tree, text) == expected
    tree.close()


@pytest.mark.parametrize("text", ["nobody-here", "me:nogroup", "-1", "99999999999"])
def test_refused(workshop: Workshop, text: str) -> None:
    tree = workshop.context(FILES)
    with pytest.raises(InvalidArgument):
        resolve(tree, text)
    tree.close()
