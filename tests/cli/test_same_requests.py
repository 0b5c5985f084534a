"""The real docker command and ours, given the same words about networks: the same requests, answers and exit codes.

No daemon is needed: a table of answers stands for one. What is judged is parsing, so defaults that docker sends and we
leave to the daemon do not count.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.fakes.api_server import ApiServer

pytestmark = [pytest.mark.docker_cli, pytest.mark.docker_28]
_ID = "a" * 64
_PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n"
_ANSWERS: dict[str, Any] = {
    "HEAD /_ping": _PING,
    "GET /_ping": _PING,
    "POST /containers/create": (201, {"Id": _ID, "Warnings": []}),
    "POST /networks/create": (201, {"Id": _ID, "Warning": ""}),
    "POST /networks/n/connect": (200, None),
    "POST /networks/n/disconnect": (200, None),
    "GET /networks/n": (200, {"Name": "n", "Id": _ID}),
    "DELETE /networks/n": (204, None),
    "POST /networks/prune": (200, {"NetworksDeleted": ["x"]}),
}
_USUAL = {
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "ConsoleSize": [0, 0],
    "MemorySwappiness": -1,
    "NetworkMode": "default",
}

CREATE = r"""
--network front
--network bridge
--network front --network back
--network front --network front
--network front --network bridge
--network name=front,alias=web,alias=x,ip=10.0.0.4,ip6=fd00::4,link-local-ip=169.254.1.1,gw-priority=5,driver-opt=a=b
--network NAME=front,Mac-Address=02:00:00:00:00:01
--network name=front,colour=red
--network alias=red
--network name=front,gw-priority=x
--network name=front,gw-priority=-7
--network name=front,driver-opt=x
--network name=front,alias
--network ''
--network ' '
--network name=
--network front=x
--network 'a b'
--network front,back
--network 'name=front, alias=x'
--network name=front,gw-priority=0
--network front --network-alias web --network-alias w
--net front --net-alias web
--network name=front,alias=x --network-alias web
--network name=front,ip=1.2.3.4 --ip 1.2.3.5
--network name=front,ip6=fd00::1 --ip6 fd00::2
--network name=front,mac-address=02:00:00:00:00:01 --mac-address 02:00:00:00:00:02
--network name=front,link-local-ip=169.254.1.1 --link-local-ip 169.254.1.2
--network-alias web
--network bridge --network-alias web
--network name=bridge,alias=web
--network container:x --network-alias web
--network container:x --mac-address 02:00:00:00:00:02
--ip 10.0.0.4
--ip6 nonsense --network front
--link-local-ip 169.254.1.1 --link-local-ip fe80::1 --network front
--mac-address 02-00-00-00-00-01
--mac-address nonsense
--mac-address 0200.0000.0001
--network name=front,mac-address=zz
--link db
--link db:x
--link db:x:y
--link ''
--link db --network front
--link db:x --link b --network front --network back
--link db --network host
-p 80
-p [::1]:80:80
-p ::1:80:80
-p [::1]::80
-p [::]:8080-8090:80-90/udp
-p 80:80/sctp
-p 127.0.0.1:8000-8010:80
-p 127.0.0.1::80-82
-p '[fe80::1%eth0]:80:80'
-p '[::1]'
-p '[::1:80'
-p '[::1]x:80:80'
-p '[::1]:80:80:80'
-p '[]:80:80'
-p ':80'
-p '0:80'
-p '80:0'
-p 1.2.3.4.5:80:80
-p localhost:80:80
-p '80:80/'
-p ''
-p target=80
-p target=80,published=8080,protocol=udp
-P --expose 80 --expose 90-92/udp
"""
NETWORK = r"""
create n
create
create a b
create ''
create -d macvlan -o parent=eth0 -o macvlan_mode=bridge n
create -o foo n
create --label a=b --label c n
create --label =b n
create --attachable --internal --ipv6 n
create --ipv4=false --ipv6 n
create --ipv6=x n
create --ingress --scope swarm n
create --config-only n
create --config-from c n
create --ipam-driver null --ipam-opt a=b n
create --subnet 10.0.0.5/24 n
create --subnet nonsense n
create --subnet 10.0.0.0/24,10.0.1.0/24 n
create --subnet 10.0.0.0/24 --subnet 10.0.0.0/16 n
create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --ip-range 10.0.0.128/25 n
create --subnet 10.0.0.0/24 --aux-address a=10.0.0.5 --aux-address b=10.0.0.6 n
create --subnet 10.0.0.0/24 --gateway 10.1.0.1 n
create --subnet 10.0.0.0/24 --gateway nonsense n
create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --gateway 10.0.0.2 n
create --ip-range 10.0.0.0/25 n
create --aux-address a=10.0.0.1 n
create --aux-address a --subnet 10.1.0.0/24 n
create --subnet 10.0.0.0/24 --ip-range 10.1.0.0/25 n
create --subnet 10.0.0.0/24 --ip-range 10.0.0.128 n
create --subnet 10.0.0.0/24 --ip-range 10.0.0.0/25 --subnet 10.0.1.0/24 --ip-range 10.0.0.128/25 n
create --nosuch n
connect n c
connect n
connect n c d
connect '' c
connect n ''
connect --alias a --alias b,c n c
connect --ip 10.0.0.4 --ip6 fd00::4 --link-local-ip 169.254.1.1,fe80::1 n c
connect --link db --link x:y n c
connect --link x:y:z n c
connect --gw-priority -1 n c
connect --gw-priority x n c
connect --driver-opt a=b --driver-opt c=d,e=f n c
connect --driver-opt a n c
connect --driver-opt 'a = b' n c
connect --driver-opt =b n c
disconnect n c
disconnect -f n c
disconnect n
disconnect '' c
disconnect n ''
rm
rm ''
prune -f
prune -f --filter nonsense
inspect n
inspect n ''
inspect
frobnicate
--help
"""


class Answer(NamedTuple):
    code: int
    out: str
    err: str
    sent: list[tuple[str, str, Any]]


def answer(folder: Path, program: list[str], words: list[str]) -> Answer:
    path = folder / "s"
    path.unlink(missing_ok=True)
    server = ApiServer(path, _ANSWERS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "CARRACK_"))}
    ours = {"DOCKER_HOST": f"unix://{path}", "DOCKER_CONFIG": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run([*program, *words], capture_output=True, text=True, env={**kept, **ours}, timeout=30)
    finally:
        server.close()
    sent = [
        (each.method, each.path.partition("/v1.")[2].partition("/")[2], told(each.document) if each.body else None)
        for each in server.requests
        if "_ping" not in each.path
    ]
    out, err = (text.replace("carrack", "docker") for text in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err, sent)


def told(value: Any) -> Any:
    """A document without what says nothing and what docker always says."""
    if isinstance(value, list):
        items = [told(each) for each in value]  # docker's command sends subnets in any order
        return sorted(items, key=str) if all(isinstance(each, dict) and "Subnet" in each for each in value) else items
    if not isinstance(value, dict):
        return value
    found = {key: told(each) for key, each in value.items() if _USUAL.get(key) != each}
    return {key: each for key, each in found.items() if each not in (None, "", [], {}, False, 0)}


@pytest.mark.parametrize(
    "words",
    [f"create {line} busybox" for line in CREATE.strip().splitlines()]
    + [f"network {line}" for line in NETWORK.strip().splitlines()],
)
def test_as_docker(tmp_path: Path, words: str) -> None:
    given = shlex.split(words)
    ours = [sys.executable, "-c", "import sys; from carrack.cli.main import main; sys.exit(main())"]
    assert answer(tmp_path, ours, given) == answer(tmp_path, ["docker"], given)
