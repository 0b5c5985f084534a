"""A build whose cache a real dockerd (28.5, buildx 0.29) has written down: what it was built of, and the records.

``python -m tests.fakes.cached FOLDER`` makes the context; ``docker buildx build --cache-to type=local,mode=max,…
--secret id=sec,src=FILE`` on a busybox image of one layer then writes what ``cached.json`` is made of.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("cached.json")

DOCKERFILE = r"""FROM busybox:latest AS build
ENV Z=1 A=2
ARG B=3
ARG U
ENV Z=4
ENV PATH=/x:$PATH
RUN echo "$Z <$A> & $B" > /out
USER 5:6
WORKDIR /w/deep
USER root
WORKDIR /r
ARG A=over
RUN echo $A
FROM scratch AS bare
COPY a.txt /
COPY src /s/
FROM scratch
WORKDIR /k
COPY --from=bare / /
FROM busybox:latest
COPY . /all
COPY lnk /l/
COPY d* /wild/
COPY src/* /wild2/
RUN printf 'bob:x:9:9::/:/bin/sh\n' >> /etc/passwd; printf 'grp:x:77:\n' >> /etc/group
COPY --chown=root:grp a.txt /o1
COPY --chown=bob a.txt /o3
COPY --chown=1 --chmod=600 a.txt /o2
ADD in.tar /un/
ADD a.txt src /ad/
COPY src/one a.txt src/sub /three/
COPY --from=build /out /r /fb/
COPY --from=bare /s/link /fl
RUN --network=none echo none
RUN --mount=type=secret,id=sec,target=/se,required=true cat /se > /dev/null
RUN --mount=type=secret,id=sec,env=SEC,mode=0444,uid=3 true
RUN --mount=type=tmpfs,target=/t true
RUN --mount=type=tmpfs,target=/t,size=1m true
RUN --mount=type=cache,target=/c true
RUN --mount=type=cache,id=foo,target=/cc,sharing=locked true
RUN --mount=type=bind,from=build,source=/r,target=/b --mount=target=/ctx --mount=target=/aa,source=d1,rw true
USER 7
RUN true
RUN <<X
id > /tmp/id
X
COPY --link a.txt /linked
COPY --link --chown=3:4 src /linked2/
RUN ls /linked2
COPY <<F1 a.txt <<F2 /docs/
one
F1
two
F2
"""

_FILES = {
    "a.txt": "hello\n", "src/one": "one\n", "src/sub/two": "two\n", "src/sub/deep/three": "3\n", "src.d/z": "z\n",
    "d1/x/p": "p\n", "d2/q": "q\n", "src/empty": "", "src/\u00fc x": "\u00fc\n",
}  # fmt: skip
_LINKS = {"src/link": "one", "lnk": "src"}


def context() -> bytes:
    """The context as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folders = {str(above) for path in _FILES for above in Path(path).parents if str(above) != "."}
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path, text in {**_FILES, "in.tar": "", "Dockerfile": DOCKERFILE}.items():
            data = _inner() if path == "in.tar" else text.encode()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o755 if path == "src/one" else 0o644
            tar.addfile(info, io.BytesIO(data))
        for path, leads in _LINKS.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, leads, 0o777
            tar.addfile(info)
    return out.getvalue()


def _inner() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("in")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"i"))
    return out.getvalue()


def recorded() -> dict[str, Any]:
    """``base``: the diff id of the image; ``config``: the document of the cache, its layers left out."""
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


if __name__ == "__main__":
    with tarfile.open(fileobj=io.BytesIO(context())) as archive:
        archive.extractall(sys.argv[1])
