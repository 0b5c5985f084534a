"""``run`` and ``create``: options whose effect shows, inside the container or in what is recorded of it."""

from __future__ import annotations

from tests.cli.play import Play


def environment(play: Play) -> None:
    (play.folder / "file").write_text("# a comment\nFROM_FILE=1\nSPACED=a b\n\nINHERITED\nEMPTY=\n")
    inherit = {"INHERITED": "outside", "OTHER": "x"}
    play("run --rm -e A=1 -e B='two words' -e C= -h box busybox env", unordered=True)
    play("run --rm -e INHERITED -e NOT_SET -h box busybox env", unordered=True, environment=inherit)
    play("run --rm --env-file ./file -e A=1 -h box busybox env", unordered=True, environment=inherit)
    play("run --rm -e PATH=/bin -e HOME=/tmp -h box busybox env", unordered=True)
    play("run --rm -t -h box busybox env", unordered=True)
    play("run --rm --env-file ./nosuch busybox env")
    (play.folder / "bad").write_text("with space=1\n")
    play("run --rm --env-file ./bad busybox env")
    (play.folder / "bad").write_text("=1\n")
    play("run --rm --env-file ./bad busybox env")
    play("run --rm -e =x busybox env")
    play("run --rm -e '' busybox env")


def users_and_groups(play: Play) -> None:
    play("run --rm busybox id")
    for user in ("nobody", "1000", "nobody:staff", "1000:50", "0:0", "nosuch", "root:nosuch", "-1", "nobody:", ":50"):
        play(f"run --rm -u {user} busybox id")
    play("run --rm --group-add staff --group-add 777 busybox id -G")
    play("run --rm --group-add nosuch busybox id -G")
    play("run --rm -u nobody busybox sh -c 'echo $HOME; pwd; touch /x'")


def names_of_the_host(play: Play) -> None:
    play("run --rm -h box busybox hostname")
    play("run --rm -h box --domainname example.org busybox sh -c 'hostname; cat /proc/sys/kernel/domainname'")
    play("run --rm --add-host one:10.1.2.3 --add-host two=10.1.2.4 -h box busybox cat /etc/hosts")
    play("run --rm --dns 9.9.9.9 --dns-search a.example --dns-option ndots:2 busybox grep -E '^[nso]' /etc/resolv.conf")
    play("run --rm --network none -h alone busybox cat /etc/hosts")
    play("run --rm --add-host bad busybox true")
    play("run --rm --add-host name:not-an-address busybox true")
    play("run --rm --dns nonsense busybox true")
    play("run --rm -h 'bad name' busybox hostname")
    play("run --rm --network host -h own --uts host busybox true")


def folders(play: Play) -> None:
    play("run --rm -w /tmp busybox pwd")
    play("run --rm -w /made/new busybox sh -c 'pwd; ls -ld /made | cut -c1-10'")
    play("run --rm -w relative busybox pwd")
    play("run --rm --read-only busybox touch /x")
    play("run --rm --read-only --tmpfs /tmp busybox sh -c 'touch /tmp/x && echo fine'")
    play('run --rm --tmpfs /t:size=64k,mode=700 busybox sh -c \'grep " /t " /proc/mounts | cut -d" " -f1-4\'')
    play("run --rm --tmpfs relative busybox true")
    play("run --rm --tmpfs /t:nonsense busybox true")
    play('run --rm --shm-size 8m busybox sh -c \'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2\'')
    play("run --rm --shm-size nonsense busybox true")
    play("run --rm --shm-size 0 busybox true")


def mounts(play: Play) -> None:
    (play.folder / "there").mkdir()
    (play.folder / "there" / "file").write_text("from the host\n")
    here = play.folder
    play(f"run --rm -v {here}/there:/m busybox cat /m/file")
    play(f"run --rm -v {here}/there:/m:ro busybox touch /m/x")
    play(f"run --rm -v {here}/made:/m busybox ls /m")
    play(f"run --rm --mount type=bind,src={here}/there,dst=/m,readonly busybox sh -c 'cat /m/file; touch /m/x'")
    play(f"run --rm --mount type=bind,src={here}/nosuch,dst=/m busybox true")
    play("run --rm --mount type=tmpfs,dst=/m,tmpfs-size=65536,tmpfs-mode=700 busybox sh -c 'ls -ld /m | cut -c1-10'")
    play("run --rm -v data:/m busybox sh -c 'echo kept > /m/x'")
    play("run --rm --mount src=data,dst=/m busybox cat /m/x")
    play("run --rm -v data:/www busybox ls /www")
    play("run --rm -v fresh:/www busybox ls /www")
    play("run --rm -v bare:/www:nocopy busybox ls /www")
    play(f"create --name one -v {here}/there:/m:ro -v data:/d -v /anonymous --tmpfs /t busybox")
    play("inspect -f '{{range .HostConfig.Binds}}{{println .}}{{end}}' one", unordered=True)
    play("inspect -f '{{json .HostConfig.Tmpfs}} {{json .Config.Volumes}}' one")
    play("inspect -f '{{range .Mounts}}{{println .Type .Destination .RW .Mode}}{{end}}' one", unordered=True)
    play("run --rm --volumes-from one busybox sh -c 'cat /m/file; cat /d/x'")
    play("run --rm --volumes-from one:ro busybox touch /d/y")


def mounts_that_are_wrong(play: Play) -> None:
    here = play.folder
    for option in (
        "-v /a:/b:nonsense",
        "-v /a:relative",
        "-v a/b:/c",
        "-v :/c",
        "-v /a:/",
        "-v /a:/b:ro:rw",
        "-v ''",
        f"-v {here}:/b -v {here}:/b",
        "-v x:/b:ro,rw",
        "-v -bad:/b",
        "--volumes-from nosuch",
        "--volumes-from nosuch:bad",
        "--mount type=bind,src=/tmp",
        "--mount type=bind,dst=/m",
        "--mount type=nonsense,dst=/m",
        "--mount dst=/m,nonsense=1",
        "--mount nonsense",
        "--mount ''",
        "--mount type=bind,src=relative/nosuch,dst=/m",
        "--mount type=tmpfs,dst=/m,tmpfs-size=x",
        "--mount type=tmpfs,src=/x,dst=/m",
        "--mount type=volume,src=ok,dst=relative",
        "--mount type=bind,src=/tmp,dst=/m,readonly=maybe",
        "--mount type=volume,src=ok,dst=/m,bind-propagation=shared",
        "--mount type=bind,src=/tmp,dst=/m,bind-propagation=nonsense",
        "--mount type=bind,src=/tmp,dst=/m,volume-nocopy=true",
    ):
        play(f"run --rm {option} busybox true")
    play("volume ls -q")


def limits(play: Play) -> None:
    play(
        "create --name one -m 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --pids-limit 50 "
        "--cpuset-cpus 0 --blkio-weight 0 --oom-score-adj 100 --ulimit nofile=100:200 --ulimit core=0 busybox"
    )
    play(
        "inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} "
        "{{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpusetCpus}} {{.HostConfig.OomScoreAdj}} "
        "{{range .HostConfig.Ulimits}}{{.Name}}={{.Soft}}:{{.Hard}} {{end}}' one"
    )
    play("run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'")
    play("run --rm --oom-score-adj 300 busybox cat /proc/self/oom_score_adj")
    for option in (
        "-m 1m",
        "-m nonsense",
        "-m -1",
        "-m 64m --memory-swap 32m",
        "--memory-swap 64m",
        "-m 64m --memory-reservation 128m",
        "--memory-swappiness 101",
        "--memory-reservation 1m",
        "--cpus 1000",
        "--cpus -1",
        "--cpus x",
        "--cpus 1 --cpu-quota 1000",
        "--cpu-period 10",
        "--cpu-quota 10",
        "--cpu-shares x",
        "--cpuset-cpus 99",
        "--cpuset-cpus x",
        "--cpuset-mems 99",
        "--blkio-weight 70000",
        "--blkio-weight-device x",
        "--device-read-bps x",
        "--device-read-bps /dev/null:x",
        "--pids-limit x",
        "--oom-score-adj 2000",
        "--ulimit nonsense=1",
        "--ulimit nofile",
        "--ulimit nofile=2:1",
        "--ulimit nofile=x",
    ):
        play(f"create {option} busybox", hide={r"(?<=available: ).*|0[.]01 to \d+[.]00|only \d+ CPUs": "<cpus>"})
    play("ps -a --format '{{.Names}}' --filter name=one")


def privileges(play: Play) -> None:
    caps = "sh -c 'grep CapEff /proc/self/status'"
    play(f"run --rm busybox {caps}")
    play(f"run --rm --cap-drop ALL busybox {caps}")
    play(f"run --rm --cap-drop all --cap-add NET_ADMIN --cap-add cap_chown busybox {caps}")
    play(f"run --rm --cap-add NONSENSE busybox {caps}")
    play(f"run --rm --cap-drop chown --cap-add chown busybox {caps}")
    play(f"run --rm -u nobody busybox {caps}")
    play("run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status")
    play("run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status")
    play("run --rm busybox grep Seccomp: /proc/self/status")
    play("run --rm --privileged busybox grep Seccomp: /proc/self/status")
    play("run --rm --security-opt nonsense busybox true")
    play("run --rm --security-opt nonsense=1 busybox true")
    play("run --rm --security-opt seccomp=/nosuch busybox true")
    play("run --rm --sysctl net.ipv4.ip_forward=0 busybox cat /proc/sys/net/ipv4/ip_forward")
    play("run --rm --sysctl kernel.nosuch=0 busybox true")
    play("run --rm --sysctl nonsense busybox true")
    play("run --rm --network host --sysctl net.ipv4.ip_forward=1 busybox true")
    play("run --rm --device /dev/zero:/dev/nought busybox ls /dev/nought")
    play("run --rm --device /dev/nosuch busybox true")
    play("run --rm --device /dev/zero:/dev/x:q busybox true")
    play("run --rm --device-cgroup-rule nonsense busybox true")
    play("run --rm --device-cgroup-rule 'c 1:3 mr' busybox true")


def namespaces(play: Play) -> None:
    play("run -d --name one --ipc shareable busybox sleep 100")
    play("run --rm --pid container:one busybox sh -c 'ps -o args | grep -c ^sleep'")
    play("run --rm --ipc container:one busybox true")
    play("run --rm --network container:one busybox true")
    play("run -d --name private --ipc private busybox sleep 100")
    play("run --rm --ipc container:private busybox true")
    play("create --name stopped busybox")
    for option in (
        "--pid container:nosuch",
        "--pid container:stopped",
        "--ipc container:nosuch",
        "--ipc container:stopped",
        "--network container:nosuch",
        "--network container:stopped",
        "--pid nonsense",
        "--ipc nonsense",
        "--uts nonsense",
        "--userns nonsense",
        "--cgroupns nonsense",
        "--network container:one -h box",
        "--network container:one -p 80:80",
        "--network container:one --expose 80",
        "--network container:one --add-host a:10.0.0.1",
        "--network container:one --mac-address 02:42:ac:11:00:09",
        "--network container:one --dns 9.9.9.9",
        "--network nosuch",
        "--uts host -h box",
        "--runtime nosuch",
        "--isolation nonsense",
        "--log-driver nosuch",
        "--log-opt nonsense=1",
        "--log-opt max-size=x",
        "--log-driver none --log-opt max-size=1m",
        "--stop-signal NONSENSE",
        "--cgroup-parent nosuch.slice/x",
    ):
        play(f"run --name tried {option} busybox true", hide={r"(runtime[s:]*).*": r"\1 <runtimes>"})
        play.quietly("rm -f tried")


def networks(play: Play) -> None:
    play("run --rm --network none busybox sh -c 'ip -o link | cut -d: -f2'")
    play("run --rm busybox sh -c 'ip -o link | cut -d: -f2 | cut -d@ -f1'")
    play("run --rm --mac-address 02:42:ac:11:00:09 busybox cat /sys/class/net/eth0/address")
    play("run --rm --mac-address nonsense busybox true")
    play("run --rm --network-alias x busybox true")
    play("run -d --name one -p 127.0.0.1::80 -p 81/udp --expose 90 --expose 91-93 busybox sleep 100")
    play("port one")
    play("port one 80")
    play("port one 80/tcp")
    play("port one 81/udp")
    play("port one 90")
    play("port one nonsense")
    play("port nosuch")
    play("ps --format '{{.Ports}}'")
    play(f"run -d --name two -p 127.0.0.1:{play.ports + 80}:80 busybox sleep 100")
    play(f"run --name three -p 127.0.0.1:{play.ports + 80}:80 busybox true")
    play("ps -a --filter name=three --format '{{.Names}} {{.State}}'")
    play("inspect -f '{{.State.Status}} {{.State.ExitCode}}' three")
    play("start three")
    play("run -d --name four -P --expose 77 busybox sleep 100")
    play("port four")
    for wrong in ("x", "80:x", "99999", "1-2:1-3", "80/nonsense", "1.2.3:80:80", "host:80:80", ":", ""):
        play(f"create -p '{wrong}' busybox")
    play("create --expose x busybox")
    play("create --expose 80-70 busybox")
