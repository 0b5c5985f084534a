"""The values of ``RUN --mount``."""

import pytest

from carrack.dockerfile.mounts import Mount, parse
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/a", Mount("bind", "/a", readonly=True)),
        ("type=bind,src=x,dst=/a,from=s,rw", Mount("bind", "/a", "x", "s")),
        ("type=cache,target=/c,id=i,sharing=locked,mode=0700,uid=1,gid=2,ro",
         Mount("cache", "/c", id="i", readonly=True, sharing="locked", mode=0o700, uid=1, gid=2)),
        ("type=tmpfs,destination=/t,size=1m", Mount("tmpfs", "/t", size=1 << 20)),
        ("type=secret,id=s,env=TOKEN,required=true", Mount("secret", id="s", env="TOKEN", required=True)),
        ("type=ssh", Mount("ssh")),
        ('"type=bind","target=/a,b"', Mount("bind", "/a,b", readonly=True)),
    ],
)  # fmt: skip
def test_parse(text: str, expected: Mount) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=disk,target=/a", "unsupported mount type 'disk'"),
        ("type=tmpfs,target=/a,source=b", "unexpected key 'source'"),
        ("type=cache,target=/a,sharing=none", "unsupported sharing"),
        ("type=cache", "needs a target"),
        ("type=bind", "needs a target"),
        ("type=secret", "needs an id"),
        ("type=cache,target=/a,mode=9", "invalid value '9' for mode"),
        ("type=cache,target=/a,uid=-1", "invalid value"),
        ("type=bind,target=/a,ro=perhaps", "invalid value"),
        ("type=bind,target", "needs a value"),
        ('"open', "invalid mount"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        parse(text)
