"""Networks: the predefined ones and the user's own, and the containers on them."""

from __future__ import annotations

import time

from tests.cli.play import Play, census

# what ours adds to Docker's words, with addresses that would be numbered
_EXPLAINED = {r"(overlaps with other one on this address space): .*": r"\1"}
_WHICH = {r"(Address already in use): .*": r"\1"}
_CREATED = {r'"Created": ".*"': '"Created": "<time>"'}
_ENDPOINTS = "'{{range $name, $e := .NetworkSettings.Networks}}{{$name}} {{json $e.IPAMConfig}} {{$e.Aliases}} {{$e.GwPriority}}\n{{end}}'"
_ADDRESSES = "'{{range $name, $e := .NetworkSettings.Networks}}{{$name}} {{$e.IPAddress}}/{{$e.IPPrefixLen}} {{$e.Gateway}}\n{{end}}'"


def listing(play: Play) -> None:
    play("network ls")
    play("network list -q")
    play("network ls --no-trunc")
    for name in ("ID", "Name", "Driver", "Scope", "IPv4", "IPv6", "Internal", "Labels"):
        play(f"network ls --format '{{{{.{name}}}}}'")
    play("network ls --format '{{.Label \"x\"}}|'")
    play("network ls --format json")
    play("network ls --format 'table {{.Name}}\\t{{.Driver}}'")
    for one in (
        "name=bridge", "name=o", "driver=bridge", "driver=nosuch", "type=builtin", "type=custom", "scope=local", "scope=swarm",
        "dangling=true", "dangling=false", "label=x", "id=nosuch",
    ):  # fmt: skip
        play(f"network ls --filter {one} --format '{{{{.Name}}}}'")


def inspection(play: Play) -> None:
    play("network inspect none host", hide=_CREATED)
    play(
        "network inspect bridge -f '{{.Name}} {{.Driver}} {{.Scope}} {{.EnableIPv4}} {{.EnableIPv6}} {{.Internal}} {{.Attachable}}'"
    )
    play("network inspect bridge -f '{{.IPAM.Driver}} {{len .IPAM.Config}} {{.IPAM.Options}}'")
    play.quietly("run -d --name one busybox sleep 100")
    play("network inspect bridge -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.MacAddress}}{{end}}'")
    play("network inspect bridge host nosuch -f '{{.Name}}'")
    play("network inspect -v bridge -f '{{.Name}}'")
    play("network rm bridge")
    play("network rm none host")
    play("network prune -f")
    play("network prune", stdin="n\n")


@census(
    "network create", "network create --attachable", "network create --ipam-driver", "network create --ipam-opt",
    "network create --scope",
)  # fmt: skip
def creating(play: Play) -> None:
    play("network create one")
    play("network inspect one", hide=_CREATED)
    play(
        "network create --internal --attachable --label kind=x --label other= -o com.docker.network.driver.mtu=1400 two"
    )
    play("network inspect two", hide=_CREATED)
    words = (
        "--subnet 10.230.7.0/24 --gateway 10.230.7.254 --ip-range 10.230.7.128/25 --aux-address printer=10.230.7.130"
    )
    play(f"network create {words} -o com.docker.network.bridge.name=crkgold230 three")
    play("network inspect three -f '{{json .IPAM}} {{json .Options}}'")
    play("network create --ipam-driver default --ipam-opt a=b four")
    play("network inspect four -f '{{json .IPAM.Options}}'")
    play("network create --driver bridge --scope local --ipv4 five")
    play(
        "network ls --format '{{.Name}} {{.Driver}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}}'",
        hide={"other=,kind=x": "kind=x,other="},
    )
    play("network ls --no-trunc -q", unordered=True)


def creating_with_ipv6(play: Play) -> None:
    play("network create --ipv6 one")
    play("network inspect one -f '{{.EnableIPv4}} {{.EnableIPv6}} {{len .IPAM.Config}}'")
    play("network create --ipv6 --subnet fd9c:5a:230::/64 --gateway fd9c:5a:230::99 two")
    play("network inspect two -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}\n{{end}}'")
    play("network create --ipv6 --ipv4=false three")
    play("network inspect three -f '{{.EnableIPv4}} {{.EnableIPv6}} {{len .IPAM.Config}}'")
    play("network create --ipv4=false four")
    play(
        "run --rm --network two --ip6 fd9c:5a:230::7 busybox sh -c 'ip -6 -o addr show dev eth0 scope global | cut -d/ -f1'"
    )
    play("run --rm --network two --ip6 fd9c:5a:230:1::7 busybox true")
    play("run --rm --network two --ip6 nonsense busybox true")
    play("run --rm --network three busybox sh -c 'ip -4 -o addr show dev eth0 | wc -l'")


@census("network create --ingress")
def refused(play: Play) -> None:
    """What cannot be created, by docker's words and the daemon's."""
    play.quietly("network create --subnet 10.230.8.0/24 one")
    for name in (
        "one", "bridge", "host", "none", "default", "'bad name'", "-- -x", "''", "x/y", "a" * 70, "two three", "", "--nosuch x",
    ):  # fmt: skip
        play(f"network create {name}")
    within = "--subnet 10.230.9.0/24"
    for number, words in enumerate((
        "--driver nosuch", "--driver host", "--driver null", "--driver overlay", "--scope swarm",
        "--subnet 10.230.8.0/25", "--subnet 10.230.8.128/28", "--subnet 10.230.0.0/16", "--subnet nonsense",
        "--subnet 10.230.9.0", "--subnet 10.230.9.0/33", "--subnet 10.230.9.7/24", f"{within} --subnet 10.230.9.0/25",
        "--gateway 10.230.9.1", "--ip-range 10.230.9.0/25", f"{within} --gateway 10.230.10.1", f"{within} --gateway nonsense",
        f"{within} --gateway 10.230.9.1 --gateway 10.230.9.2", f"{within} --ip-range 10.230.10.0/25",
        f"{within} --ip-range nonsense", f"{within} --aux-address a=10.230.10.1", f"{within} --aux-address a=nonsense",
        f"{within} --gateway 10.230.9.9 --aux-address a=10.230.9.9",
        "--ipam-driver nothere", "-o com.docker.network.driver.mtu=x", "-o com.docker.network.driver.mtu=-1",
        "-o com.docker.network.bridge.enable_icc=maybe", "-o com.docker.network.bridge.host_binding_ipv4=x",
        "-o com.docker.network.bridge.name=a_name_that_is_far_too_long", "-o com.docker.network.bridge.gateway_mode_ipv4=sideways",
        "--label =x", "--ipv6=x", "--config-from nosuch", "--config-only --internal", "--ingress",
    )):  # fmt: skip
        play(f"network create {words} n{number}", hide=_EXPLAINED)
    play("network ls --filter type=custom --format '{{.Name}}'")


def configurations(play: Play) -> None:
    play(
        "network create --config-only --subnet 10.230.11.0/24 --gateway 10.230.11.9 -o com.docker.network.driver.mtu=1400 base"
    )
    play("network inspect base -f '{{.Driver}} {{.Scope}} {{.ConfigOnly}} {{json .ConfigFrom}} {{json .IPAM.Config}}'")
    play("network create --config-from base one")
    play(
        "network inspect one -f '{{.Driver}} {{.ConfigOnly}} {{json .ConfigFrom}} {{json .IPAM.Config}} {{json .Options}}'"
    )
    play("network create --config-from base --subnet 10.230.12.0/24 two")
    play("network create --config-from one two")
    play("network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'")
    play("run --rm --network base busybox true")
    play("network rm base")
    play("network rm one")
    play("network rm base")


@census(
    "network rm", "network rm --force", "network prune", "network prune --force", "network prune --filter",
)  # fmt: skip
def removing(play: Play) -> None:
    for name in ("one", "two", "three", "four"):
        play.quietly(f"network create {'--label keep=1 ' if name == 'three' else ''}{name}")
    play.quietly("run -d --name user --network one busybox sleep 100")
    play.quietly("create --name idle --network two busybox")
    play("network rm one")
    play("network rm nosuch one four")
    play("network rm -f nosuch")
    play("network remove -f nosuch one")
    play("network rm ''")
    play("network prune", stdin="n\n")
    play("network prune -f --filter label!=keep")
    play("network prune -f --filter until=1h")
    play("network prune", stdin="y\n")
    play("network prune -f")
    play.quietly("rm -f user idle")
    play("network prune -f", unordered=True)
    play.quietly("network create five")
    identity = play("network inspect five -f '{{.Id}}'").strip()
    play(f"network rm {identity[:12]}")
    play.quietly("network create six")
    play("system prune -f")


@census("network ls", "network ls --filter", "network ls --format", "network ls --no-trunc", "network ls --quiet")
def filters_and_formats(play: Play) -> None:
    play.quietly("network create --label kind=x web2")
    play.quietly("network create --label kind=y --internal web10")
    play.quietly("network create Web")
    play.quietly("create --name user --network web2 busybox")
    play("network ls")
    play("network ls -q --no-trunc", unordered=True)
    play("network ls --format '{{.Name}} {{.Label \"kind\"}} {{.Internal}}'")
    play("network ls --format 'table {{.Name}}\\t{{.Labels}}\\t{{.IPv6}}'")
    play("network ls -f name=web2 --format json")
    identity = play("network inspect web2 -f '{{.Id}}'").strip()
    for one in (
        "name=web", "name=^web2$", "name=WEB", f"id={identity}", "driver=bridge", "type=custom", "label=kind",
        "label=kind=x", "label=kind=z", "dangling=true", "dangling=false", "dangling=1", "dangling=x", "type=x", "scope=local",
    ):  # fmt: skip
        play(f"network ls --filter {one} --format '{{{{.Name}}}}'")
    play("network ls --filter type=custom --filter label=kind=x --filter label=kind=y --format '{{.Name}}'")
    play("network ls --filter name=web2 --filter name=Web --format '{{.Name}}'")
    play("network inspect web2 web10 nosuch -f '{{.Name}} {{json .Labels}}'")
    play("inspect --type network web2 -f '{{.Name}} {{.Internal}}'")
    play("inspect web2 -f '{{.Name}}'")
    play("ps -a --filter network=web2 --format '{{.Names}} {{.Networks}}'")
    play("ps -a --filter network=web10 --format '{{.Names}}'")
    play(f"ps -a --filter network={identity} --format '{{{{.Names}}}}'")


@census(
    "network connect", "network connect --alias", "network connect --driver-opt", "network connect --link", "network disconnect", "network disconnect --force",
)  # fmt: skip
def connecting(play: Play) -> None:
    play.quietly("network create --subnet 10.230.13.0/24 front")
    play.quietly("network create --subnet 10.230.14.0/24 back")
    play.quietly("run -d --name one --network front busybox sleep 100")
    play.quietly("run -d --name two --network back busybox sleep 100")
    play("network connect --alias db --alias store,data --ip 10.230.14.44 back one")
    play(f"inspect one -f {_ENDPOINTS}")
    play(f"inspect one -f {_ADDRESSES}")
    play("network inspect back -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}\n{{end}}'", unordered=True)
    play("exec one sh -c 'ip -o -4 addr | grep -c 10.230.'")
    play("exec two ping -c 1 -W 2 db", hide={r"(?s)^.*\n--- ": "--- ", "round-trip.*": "<round trip>"})
    play("exec two ping -c 1 -W 2 one", hide={r"(?s)^.*\n--- ": "--- ", "round-trip.*": "<round trip>"})
    play("network connect back one")
    play("network connect front two --link one:other")
    play("exec two ping -c 1 -W 2 other", hide={r"(?s)^.*\n--- ": "--- ", "round-trip.*": "<round trip>"})
    play("network disconnect back one")
    play("network disconnect back one")
    play("network disconnect -f back one")
    play(f"inspect one -f {_ENDPOINTS}")
    play("exec one sh -c 'ip -o -4 addr | grep -c 10.230.'")
    play("network connect --gw-priority 5 back one")
    play("exec one sh -c 'ip route | grep default'", hide={r" dev eth\d ?": " dev <eth>"})
    play("network disconnect back one")
    play("exec one sh -c 'ip route | grep default'", hide={r" dev eth\d ?": " dev <eth>"})
    play("network disconnect front one")
    play("exec one sh -c 'ip -o -4 addr | grep -vc 127.0.0.1'")
    play("inspect one -f '{{json .NetworkSettings.Networks}}'")
    play("network connect front one")
    play("exec one sh -c 'ip -o -4 addr | grep -c 10.230.13'")
    play("network connect bridge one")
    play("inspect one -f '{{len .NetworkSettings.Networks}}'")


def connecting_refused(play: Play) -> None:
    play.quietly("network create --subnet 10.230.15.0/24 front")
    play.quietly("network create plain")
    play.quietly("run -d --name one --network front --ip 10.230.15.5 busybox sleep 100")
    play.quietly("run -d --name two busybox sleep 100")
    play.quietly("run -d --name hosts --network host busybox sleep 100")
    play.quietly("run -d --name alone --network none busybox sleep 100")
    play.quietly("run -d --name shares --network container:one busybox sleep 100")
    for words in (
        "nosuch two", "front nosuch", "front", "front one", "host two", "none two", "front hosts", "front alone", "front shares",
        "--ip 10.230.15.5 front two", "--ip 10.230.16.5 front two", "--ip nonsense front two", "--ip 10.230.15.1 front two",
        "--ip 10.230.15.0 front two", "--ip 10.230.15.255 front two", "--ip6 fd00::5 front two", "--ip 10.211.1.9 plain two",
        "--driver-opt x front two", "--link a:b:c front two", "--link nosuch front two", "--gw-priority x front two",
        "--alias x bridge nosuch", "--link-local-ip nonsense front two",
    ):  # fmt: skip
        play(f"network connect {words}", hide=_WHICH)
    for words in (
        "nosuch two",
        "front nosuch",
        "front two",
        "-f front two",
        "host hosts",
        "none alone",
        "bridge one",
        "front",
    ):
        play(f"network disconnect {words}")
    play("network disconnect -f front nosuch")
    play("network inspect front -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}\n{{end}}'", unordered=True)


def connecting_the_stopped(play: Play) -> None:
    """Before the first start, between, and of what is removed meanwhile."""
    play.quietly("network create --subnet 10.230.17.0/24 front")
    play.quietly("network create --subnet 10.230.18.0/24 back")
    play.quietly("create --name one --network front busybox sleep 100")
    play("network connect --alias db --ip 10.230.18.9 back one")
    play(f"inspect one -f {_ENDPOINTS}")
    play("start one")
    play(f"inspect one -f {_ADDRESSES}")
    play.quietly("stop -t 0 one")
    play("network disconnect front one")
    play("start one")
    play(f"inspect one -f {_ADDRESSES}")
    play.quietly("stop -t 0 one")
    play("network inspect back -f '{{len .Containers}}'")
    play("network rm back")
    play("start one")
    play("inspect one -f '{{.State.Status}} {{.State.ExitCode}}'")
    play("ps -a --format '{{.Names}} {{.Networks}}'")


@census(
    "run --network", "run --net", "run --ip", "run --mac-address", "run --network-alias", "run --net-alias",
    "create --network", "create --network-alias", "run --link-local-ip",
)  # fmt: skip
def running_on(play: Play) -> None:
    play.quietly("network create --subnet 10.230.19.0/24 front")
    play.quietly("network create --subnet 10.230.20.0/24 back")
    shown = 'sh -c \'ip -o -4 addr show dev eth0 | tr -s " " | cut -d" " -f4; cat /sys/class/net/eth0/address\''
    play(f"run --rm --network front --ip 10.230.19.7 --mac-address 02:00:00:00:00:07 busybox {shown}")
    play("run -d --name db --network back --network-alias store --net-alias data busybox sleep 100")
    play(
        "run -d --name web --network name=front,alias=www,ip=10.230.19.8 --network name=back,alias=api,gw-priority=7 busybox sleep 100"
    )
    play(f"inspect web -f {_ENDPOINTS}")
    play("exec web ping -c 1 -W 2 store", hide={r"(?s)^.*\n--- ": "--- ", "round-trip.*": "<round trip>"})
    play("exec db ping -c 1 -W 2 api", hide={r"(?s)^.*\n--- ": "--- ", "round-trip.*": "<round trip>"})
    play("exec web sh -c 'ip route | grep default | cut -d\" \" -f1-3'")
    play('exec web sh -c \'ls /sys/class/net | tr "\\n" " "\'')
    play("ps --format '{{.Names}}' --filter network=back", unordered=True)
    play("inspect web -f '{{.HostConfig.NetworkMode}}'")
    for words in (
        "--network nosuch", "--network front --ip 10.230.19.8", "--network front --ip 10.230.20.8", "--network front --ip nonsense",
        "--network front --network front", "--network front --network host", "--network front --network nosuch",
        "--network name=front,colour=red", "--network alias=x", "--network name=front,gw-priority=x", "--network name=front,driver-opt=x",
        "--network name=front,alias=x --network-alias y", "--network name=front,ip=10.230.19.9 --ip 10.230.19.10",
        "--network host --ip 10.230.19.9", "--network none --ip 10.230.19.9", "--network-alias x",
        "--network bridge --network-alias x", "--network container:web --ip 10.230.19.9",
        "--network container:web --mac-address 02:00:00:00:00:09", "--network container:web -p 80:80", "--network container:nosuch", "--network front --mac-address nonsense", "--network front --ip6 fd00::9",
        "--network front --link nosuch", "--network ''",
    ):  # fmt: skip
        play(f"run --rm --name refused {words} busybox true", hide=_WHICH)
    play("ps -a --format '{{.Names}}'", unordered=True)


@census("run --link", "create --link", "rm --link")
def links(play: Play) -> None:
    play.quietly("run -d --name db -e SECRET=x -e PATH=/bin --expose 5432 busybox sleep 100")
    play("run --rm --link db busybox sh -c 'env | grep ^DB | sort'", hide={r"NAME=/\w+/": "NAME=/<name>/"})
    play("run --rm --link db:other busybox sh -c 'grep -c other /etc/hosts; ping -c 1 -W 2 other | tail -2 | head -1'")
    play("run -d --name web --link db:store busybox sleep 100")
    play("inspect web -f '{{json .HostConfig.Links}}'")
    play("ps --no-trunc --format '{{.Names}}'", unordered=True)
    play("rm --link web/store")
    play("inspect web -f '{{json .HostConfig.Links}}'")
    play("rm --link web/store")
    play("rm --link nosuch/store")
    play("run --rm --link nosuch busybox true")
    play("run --rm --link a:b:c busybox true")
    play("run --rm --link '' busybox true")
    play("run --rm --network host --link db busybox true")
    play("rm -f db")
    play("start web")


@census("port")
def ports(play: Play) -> None:
    play("run -d --name one -p [::1]:42100:80 -p 127.0.0.1:42101-42103:81-83 busybox sleep 100")
    play("port one")
    play("port one 80")
    play("port one 82/tcp")
    play("ps --format '{{.Ports}}'")
    play("run -d --name two -p 42110-42112:90-92/udp -p 42120:93 busybox sleep 100")
    play("port two")
    play("ps --filter name=two --format '{{.Ports}}'")
    play("run -d --name three -p 127.0.0.1:42130-42139:80 busybox sleep 100")
    play("port three", hide={r"4213\d": "<one of ten>"})
    for words in (
        "-p [::1]", "-p [::1:80", "-p [::1]:x:80", "-p 80-82:90-91", "-p 82-80:80-82", "-p [fe80::1%eth0]:80:80", "-p 127.0.0.1:42101:80",
        "-p [::1]:42100:80", "-p 42110:80/udp", "-p 192.0.2.77:42140:80",
    ):  # fmt: skip
        play(f"run --rm --name refused {words} busybox true")


def events(play: Play) -> None:
    begin = f"{time.time():.9f}"
    play.quietly("network create --subnet 10.230.21.0/24 one")
    play.quietly("run -d --name user --network one busybox sleep 100")
    play.quietly("network create --label a=b two")
    play.quietly("network connect two user")
    play.quietly("network disconnect two user")
    play.quietly("network rm two")
    play.quietly("rm -f user")
    play.quietly("network prune -f")
    end = f"{time.time():.9f}"
    shown = "'{{.Type}} {{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}'"
    play(f"events --since {begin} --until {end} --filter type=network --format {shown}")
    play(f"events --since {begin} --until {end} --filter network=two --format '{{{{.Action}}}}'")
    play(f"events --since {begin} --until {end} --filter event=connect --format '{{{{.Actor.Attributes.name}}}}'")


@census("network connect --link-local-ip", "run --link-local-ip", "create --link-local-ip")
def endpoint_options(play: Play) -> None:
    play.quietly("network create --subnet 10.230.23.0/24 front")
    play.quietly("network create --subnet 10.230.24.0/24 back")
    addresses = 'sh -c \'ip -o -4 addr | tr -s " " | cut -d" " -f2,4 | grep -v ^lo | sort\''
    play(f"run --rm --network front --ip 10.230.23.9 --link-local-ip 169.254.9.9 busybox {addresses}")
    play(f"run --rm --network name=front,ip=10.230.23.9,link-local-ip=169.254.9.8 busybox {addresses}")
    named = "driver-opt=com.docker.network.endpoint.ifname=lan0"
    play(f"run --rm --network name=front,{named} busybox sh -c 'ls /sys/class/net'")
    play("run -d --name one --network front --ip 10.230.23.7 busybox sleep 100")
    sysctls = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1"
    play(f"network connect --ip 10.230.24.7 --link-local-ip 169.254.9.7 --driver-opt {sysctls} back one")
    play(f"exec one {addresses}")
    play("exec one sh -c 'cat /proc/sys/net/ipv4/conf/eth1/log_martians'")
    play("network disconnect back one")
    play(f"network connect --ip 10.230.24.7 --driver-opt {sysctls.replace('IFNAME', 'eth9')} back one")
    play("network connect --ip 10.230.24.7 --driver-opt com.docker.network.endpoint.ifname=lan1 back one")
    play("exec one sh -c 'ls /sys/class/net'")
    play("network connect --driver-opt com.docker.network.endpoint.sysctls=kernel.hostname=x bridge one")
    play("exec one sh -c 'ls /sys/class/net'")


def documents(play: Play) -> None:
    """All that inspect tells of a container's networks: before, during and after its life."""
    play.quietly("network create --subnet 10.230.25.0/24 --subnet fd9c:5a:230::/64 --ipv6 front")
    play.quietly("network create --internal --subnet 10.230.26.0/24 back")
    play.quietly(
        "create --name one -h box --network name=front,alias=www,ip=10.230.25.7 --network back busybox sleep 100"
    )
    settings = "inspect one -f '{{json .NetworkSettings.Networks}}'"
    play(settings)
    play.quietly("start one")
    play(settings)
    play("inspect one -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}} {{json .NetworkSettings.Ports}}'")
    play("network inspect front -f '{{json .Containers}} {{len .IPAM.Config}}'")
    play("network inspect back -f '{{json .Containers}}'")
    play("exec one cat /etc/hosts", hide={r"(?m)^(?!10\.|fd9c).*\n": ""})
    play("exec one cat /etc/resolv.conf", hide={r"(?m)^(?!nameserver|options).*\n": "", "(?m)^options.*\n": ""})
    play.quietly("stop -t 0 one")
    play(settings)
    play("network inspect front -f '{{json .Containers}}'")
    play("ps -a --format '{{.Names}} {{.Networks}}'", hide={"back,front": "front,back"})
