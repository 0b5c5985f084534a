"""What --storage-opt means."""

import pytest

from carrack.engine import storage_options
from carrack.errors import InvalidArgument


def test_a_containers_own_size_goes_before_the_daemons() -> None:
    assert storage_options.limit(None, 5) == 5
    assert storage_options.limit({}, 0) == 0
    assert storage_options.limit({"size": "10m"}, 5) == 10 << 20
    assert storage_options.limit({"SIZE": "1g"}, 0) == 1 << 30
    assert storage_options.limit({"size": "0"}, 5) == 0


@pytest.mark.parametrize(
    ("options", "told"), [({"cake": "1"}, "^Unknown option cake$"), ({"size": "abc"}, "^invalid size: 'abc'$")]
)
def test_what_is_no_option_is_refused(options: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        storage_options.limit(options, 0)


def test_the_daemons() -> None:
    assert storage_options.usual([]) == 0
    assert storage_options.usual(["overlay2.size=20M"]) == storage_options.usual(["size=20m"]) == 20 << 20
    for word in ("dm.thinpooldev=x", "size", "size=x"):
        with pytest.raises(InvalidArgument, match=f"storage-opts: {word}: "):
            storage_options.usual([word])
