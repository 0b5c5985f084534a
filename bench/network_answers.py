"""What engines answer to the same questions of networks: no speed, but what is reached, resolved and refused.

    python -m bench.network_answers --image busybox ours="carrack" dockerd="docker -H unix:///run/docker.sock" \\
        podman="nsenter -t PID -m -n podman" --host podman="nsenter -t PID -n"

Every engine is a name and its command; ``--host`` names what leads to its host's network, where it is another. Needs
root, an image with busybox on every engine, and python3 on every host. Prints a table; rows that differ have a mark.
Networks, containers and addresses are named after --prefix and removed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: addresses of the host that are no bridge's, made for as long as it takes
ADDRESS, ADDRESS6 = "198.51.100.7", "2001:db8:7::7"
_SERVER = """
import socket, threading
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(41, 26, 0); s.bind(("::", 80))
    while True:
        _, a = s.recvfrom(99); s.sendto(a[0].encode(), a)
threading.Thread(target=udp, daemon=True).start()
t = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, a = t.accept(); c.sendall(a[0].encode()); c.close()
"""
_CLIENT = """
import socket, sys
host, port, udp = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "udp"
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
s.settimeout(2)
try:
    s.connect((host, port)); udp and s.send(b"x"); print(s.recv(99).decode().replace("::ffff:", "") or "nothing")
except OSError as error:
    print("refused" if isinstance(error, ConnectionError) else "unreached")
"""


@dataclass
class Engine:
    """One engine; what is made has names that begin with ``prefix``."""

    name: str
    command: list[str]
    host: list[str]
    image: str
    prefix: str
    number: int
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def try_(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a verb; names written ``@x`` are ours."""
        mine = [word.replace("@", self.prefix) for word in words]
        return subprocess.run([*self.command, *mine], capture_output=True, text=True, check=False, timeout=60)

    def __call__(self, *words: str) -> str:
        """What a verb prints; it must succeed."""
        done = self.try_(*words)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def takes(self, *words: str) -> str:
        """Whether a verb is taken."""
        return "refused" if self.try_(*words).returncode else "taken"

    def run(self, name: str, *options: str) -> None:
        """A container that does nothing."""
        self("run", "-d", "--name", f"@{name}", *options, self.image, "sleep", "3600")

    def pid(self, name: str) -> str:
        """Of a container's first process."""
        return self("inspect", "-f", "{{.State.Pid}}", f"@{name}")

    def serve(self, name: str) -> None:
        """Answer on port 80 of a container, over TCP and UDP."""
        words = [*self.host, "nsenter", "-n", "-t", self.pid(name), "python3", "-c", _SERVER]
        self.servers.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))
        for _ in range(100):
            if "refused" not in self.ask("127.0.0.1", 80, inside=name):
                return
            time.sleep(0.1)

    def ask(self, address: str, port: int, *, inside: str = "", udp: bool = False) -> str:
        """As whom a server sees a client on the host, or in a container."""
        where = ["nsenter", "-n", "-t", self.pid(inside)] if inside else []
        words = [*self.host, *where, "python3", "-c", _CLIENT, address, str(port), "udp" if udp else "tcp"]
        seen = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        return self.word(seen)

    def subnet(self, which: int) -> str:
        """The first three bytes of one of its subnets: ``10.44.11``."""
        return f"10.44.{10 * self.number + which}"

    def word(self, seen: str) -> str:
        """An address as what it is: ``gateway 1``, ``.2 on 1``."""
        known = {ADDRESS: "the host", ADDRESS6: "the host", "127.0.0.1": "loopback", "::1": "loopback"}
        for which in range(5):
            if seen.startswith((f"{self.subnet(which)}.", f"fd00:44:{self.number}:{which}::")):
                last = seen.replace(":", ".").rpartition(".")[2]
                return f"gateway {which}" if last == "1" else f".{last} on {which}"
        return known.get(seen, seen) or "nothing"

    def network(self, which: int, *options: str, ipv6: bool = False) -> None:
        """Make the network ``@net1`` on one of its subnets."""
        six = ["--ipv6", "--subnet", f"fd00:44:{self.number}:{which}::/64"] if ipv6 else []
        self("network", "create", "--subnet", f"{self.subnet(which)}.0/24", *six, *options, f"@net{which}")

    def resolves(self, inside: str, name: str) -> str:
        """The addresses of a name, as busybox finds them."""
        done = self.try_("exec", f"@{inside}", "nslookup", name.replace("@", self.prefix))
        lines = [line.split() for line in done.stdout.partition("Name:")[2].splitlines()]
        return (
            ", ".join(sorted(self.word(line[-1]) for line in lines if line and line[0].startswith("Address"))) or "no"
        )


def names(e: Engine) -> dict[str, str]:
    """Names and aliases on networks of one's own and on the default one."""
    e.network(1)
    e.network(2)
    e.run("a", "--network", "@net1", "--network-alias", "both")
    e.run("b", "--network", "@net1", "--network-alias", "both")
    e.run("c", "--network", "@net2")
    e.run("d")
    e.run("f")
    found = {
        "a neighbour's name": e.resolves("a", "@b"),
        "one's own name": e.resolves("a", "@a"),
        "an alias of two": e.resolves("a", "both"),
        "a name on another network": e.resolves("a", "@c"),
        "a name on the default network": "yes" if e.resolves("d", "@f") != "no" else "no",
        "the short id": e.resolves("a", e("inspect", "-f", "{{.Id}}", "@b")[:12]),
        "another network's container, by address": e.ask(e.subnet(2) + ".2", 80, inside="a"),
    }
    e("network", "connect", "--alias", "late", "@net2", "@a")
    found["after a live connect: a name there"] = e.resolves("a", "@c")
    found["after a live connect: the alias given"] = e.resolves("c", "late")
    found["after a live connect: one's own names"] = e.resolves("a", "@a")
    found["connect once more"] = e.takes("network", "connect", "@net2", "@a")
    e("network", "disconnect", "@net2", "@a")
    found["after a live disconnect: the name"] = e.resolves("c", "@a")
    found["disconnect once more"] = e.takes("network", "disconnect", "@net2", "@a")
    found["remove a network in use"] = e.takes("network", "rm", "@net1")
    e("network", "disconnect", "@net1", "@b")
    done = e.try_("exec", "@b", "ip", "-4", "route")
    found["routes after the last disconnect"] = "none" if not done.stdout.strip() else done.stdout.strip()
    return found


def ports(e: Engine) -> dict[str, str]:
    """Published ports from every side, over both protocols."""
    first = 20000 + 100 * e.number
    e.network(1)
    e.network(2)
    both = "-p", f"{first}:80", "-p", f"{first}:80/udp", "-p", f"127.0.0.1:{first + 1}:80"
    e.run("web", "--network", "@net1", *both)
    e.run("near", "--network", "@net1")
    e.run("far", "--network", "@net2")
    e.serve("web")
    found: dict[str, str] = {}
    for kind in ("tcp", "udp"):
        udp = kind == "udp"
        found |= {
            f"{kind}: from the host, by its address": e.ask(ADDRESS, first, udp=udp),
            f"{kind}: from the host, by 127.0.0.1": e.ask("127.0.0.1", first, udp=udp),
            f"{kind}: from the host, by [::1]": e.ask("::1", first, udp=udp),
            f"{kind}: from the host, by its IPv6 address": e.ask(ADDRESS6, first, udp=udp),
            f"{kind}: hairpin to itself": e.ask(ADDRESS, first, inside="web", udp=udp),
            f"{kind}: from a neighbour, by the host": e.ask(ADDRESS, first, inside="near", udp=udp),
            f"{kind}: from another network, by the host": e.ask(ADDRESS, first, inside="far", udp=udp),
            f"{kind}: from another network, by the container": e.ask(e.subnet(1) + ".2", 80, inside="far", udp=udp),
        }
    found["on 127.0.0.1 only: by 127.0.0.1"] = e.ask("127.0.0.1", first + 1)
    found["on 127.0.0.1 only: by the host's address"] = e.ask(ADDRESS, first + 1)
    taken = "run", "-d", "--name", "@rival", "-p"
    found["a port of a container"] = e.takes(*taken, f"{first}:80", e.image, "true")
    e.try_("rm", "-f", "@rival")
    other = [*e.host, "python3", "-c", f"import socket,time; s=socket.create_server(('',{first + 2})); time.sleep(60)"]
    e.servers.append(subprocess.Popen(other))
    time.sleep(0.5)
    found["a port of another program"] = e.takes(*taken, f"{first + 2}:80", e.image, "true")
    e.try_("rm", "-f", "@rival")
    return found


def inside(e: Engine) -> dict[str, str]:
    """Internal networks and addresses that were asked for."""
    first = 20050 + 100 * e.number
    e.network(1, "--internal")
    e.network(2)
    e.run("in", "--network", "@net1", "-p", f"{first}:80")
    e.run("too", "--network", "@net1")
    e.serve("in")
    fixed = "--network", "@net2", "--ip"
    e.run("fixed", *fixed, e.subnet(2) + ".50")
    found = {
        "internal: a neighbour": e.ask(e.subnet(1) + ".2", 80, inside="too"),
        "internal: a neighbour's name": e.resolves("too", "@in"),
        "internal: the host, by its address": e.ask(ADDRESS, 9, inside="too"),
        "internal: the host, by the gateway": e.ask(e.subnet(1) + ".1", 9, inside="too"),
        "internal: a default route": "yes" if "default" in e("exec", "@too", "ip", "route") else "no",
        "internal: its published port, from the host": e.ask(ADDRESS, first),
        "internal: its own address, from the host": e.ask(e.subnet(1) + ".2", 80),
        "a static address": e.resolves("fixed", "@fixed"),
    }
    run = "run", "-d", "--name", "@rival"
    for what, address in (
        ("in use", f"{e.subnet(2)}.50"),
        ("outside", "10.9.9.9"),
        ("the gateway's", f"{e.subnet(2)}.1"),
    ):
        found[f"a static address {what}"] = e.takes(*run, *fixed, address, e.image, "true")
        e.try_("rm", "-f", "@rival")
    found["a static address on the default network"] = e.takes(*run, "--ip", "172.17.0.200", e.image, "true")
    e.try_("rm", "-f", "@rival")
    overlap = "network", "create", "--subnet", f"{e.subnet(2)}.128/25", "@net3"
    found["a subnet that overlaps another network's"] = e.takes(*overlap)
    found["a network of a name in use"] = e.takes("network", "create", "@net2")
    return found


def six(e: Engine) -> dict[str, str]:
    """IPv6 on a network, and its published ports."""
    first = 20080 + 100 * e.number
    e.network(1, ipv6=True)
    e.run("web", "--network", "@net1", "-p", f"{first}:80")
    e.run("near", "--network", "@net1")
    e.serve("web")
    own = f"fd00:44:{e.number}:1::2"
    return {
        "IPv6: addresses of a name": e.resolves("near", "@web"),
        "IPv6: a neighbour": e.ask(own, 80, inside="near"),
        "IPv6: from the host, by its address": e.ask(ADDRESS6, first),
        "IPv6: from the host, by [::1]": e.ask("::1", first),
        "IPv6: hairpin to itself": e.ask(ADDRESS6, first, inside="web"),
        "IPv6: from a neighbour, by the host": e.ask(ADDRESS6, first, inside="near"),
        "IPv6: the container's address, from the host": e.ask(own, 80),
    }


SCENES: tuple[Callable[[Engine], dict[str, str]], ...] = (names, ports, inside, six)


def answers(engine: Engine, scenes: Sequence[Callable[[Engine], dict[str, str]]] = SCENES) -> dict[str, str]:
    """All answers of one engine; a scene that cannot be played leaves its rows out and is told."""
    found: dict[str, str] = {}
    for scene in scenes:
        clear(engine)
        try:
            found |= scene(engine)
        except RuntimeError as error:
            print(f"{scene.__name__}: {error}", file=sys.stderr)
        finally:
            clear(engine)
    return found


def clear(engine: Engine) -> None:
    """Remove all that a scene makes."""
    for server in engine.servers:
        server.kill()
        server.wait()
    engine.servers.clear()
    mine = engine.try_("ps", "-aq", "--filter", f"name={engine.prefix}").stdout.split()
    if mine:
        engine.try_("rm", "-f", *mine)
    for which in range(5):
        engine.try_("network", "rm", f"@net{which}")


def table(found: dict[str, dict[str, str]]) -> list[str]:
    """In Markdown: a row per question, a column per engine; ``*`` where they differ."""
    questions = dict.fromkeys(question for answered in found.values() for question in answered)
    rows = [f"| | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for question in questions:
        cells = [answered.get(question, "–") for answered in found.values()]
        rows.append(f"| {question}{' *' if len(set(cells)) > 1 else ''} | {' | '.join(cells)} |")
    return rows


def main() -> int:
    """Ask all engines, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.network_answers")
    parser.add_argument("engines", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--host", action="append", default=[], metavar="NAME=WORDS", help="leads to the engine's host")
    parser.add_argument("--image", default="busybox")
    parser.add_argument("--prefix", default=f"answers{os.getpid()}-")
    given = parser.parse_args()
    hosts = dict(pair.split("=", 1) for pair in given.host)
    found = {}
    for number, pair in enumerate(given.engines, 1):
        name, command = pair.split("=", 1)
        host = shlex.split(hosts.get(name, ""))
        engine = Engine(name, shlex.split(command), host, given.image, given.prefix, number)
        for verb in ("add", "del"):
            if verb == "del":
                found[name] = answers(engine)
            for address in (f"{ADDRESS}/32", f"{ADDRESS6}/128"):
                subprocess.run([*host, "ip", "address", verb, address, "dev", "lo"], check=False, capture_output=True)
    print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
