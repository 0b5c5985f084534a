"""The measuring itself: ratios the right way round, goals judged, answers of both framings understood."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from bench import application, asking, builds, copies, cycles, network_answers, networks, registry, stock
from bench.counters import host_cpu, pss
from bench.measure import CPU, WALL, Metric, Pause, Row, lines, measure
from bench.pulls import Registry
from bench.rows import Sizes, rows
from bench.target import Connection, Failed, Target
from tests.fakes.own_registry import OwnRegistry

PEER, OURS = Target("dockerd", "dockerd", "false"), Target("docker", "ours", "false")


def test_a_ratio_says_how_many_times_better_ours_is() -> None:
    assert WALL.ratio(200.0, 20.0) == 10.0
    assert Metric("rate", "/s", more=True).ratio(500.0, 2500.0) == 5.0
    assert CPU.ratio(1.0, 0.0) == float("inf")


def test_medians_are_compared_and_goals_judged() -> None:
    row = Row("work", lambda _: None, goals={("docker", "wall"): 6.0, ("docker", "CPU"): 3.0})
    figures = {
        "dockerd": {"wall": [90.0, 100.0, 900.0], "CPU": [40.0, 40.0, 40.0]},
        "docker": {"wall": [19.0, 20.0, 90.0], "CPU": [10.0, 10.0, 10.0]},
    }
    assert lines(row, figures, [PEER, OURS]) == [
        "| work | dockerd | wall 100.0 ms; CPU 40.0 ms |  |",
        "| work | ours | wall 20.0 ms; CPU 10.0 ms | dockerd: wall 5.0 (≥ 6 MISSED), CPU 4.0 (≥ 3) |",
    ]


def test_targets_take_turns_and_the_first_round_does_not_count() -> None:
    done: list[str] = []

    def note(what: str, target: Target) -> None:
        done.append(f"{what} {target.key}")

    row = Row(
        "work",
        lambda target: note("work", target),
        prepare=lambda target: note("prepare", target),
        after=lambda target: note("after", target),
        clean=lambda target: note("clean", target),
    )
    figures = measure(row, [PEER, OURS], 2, Pause(0))
    turn = ["work dockerd", "after dockerd", "work docker", "after docker"]
    assert done == ["prepare dockerd", "prepare docker", *turn * 3, "clean dockerd", "clean docker"]
    assert all(len(values) == 2 for figure in figures.values() for values in figure.values())


def test_what_was_prepared_is_cleaned_when_the_work_fails() -> None:
    cleaned: list[str] = []

    def fail(target: Target) -> None:
        raise Failed("no")

    with pytest.raises(Failed):
        measure(Row("work", fail, clean=lambda target: cleaned.append(target.key)), [PEER, OURS], 2, Pause(0))
    assert cleaned == ["dockerd", "docker"]


def test_every_row_has_targets_and_goals_that_fit() -> None:
    for name, row in rows(Sizes(50, 300, 0.5, None, Path("tools.tar"), Path("docker-compose"))).items():
        metrics = {metric.name for metric in row.metrics}
        assert all(key in row.keys and metric in metrics for key, metric in row.goals), name


def test_both_framings_of_an_answer(tmp_path: Path) -> None:
    answers = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1, 2]\n"
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n3;x=y\r\n 2]\r\n0\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                for byte in answers:
                    peer.sendall(bytes([byte]))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with Connection(f"unix://{tmp_path}/s") as connection:
            assert connection.request("GET", "/a") == [1, 2]
            assert connection.request("GET", "/b") == [1, 2]
            assert connection.request("POST", "/c", {}) is None
            with pytest.raises(Failed, match="404 no"):
                connection.request("GET", "/d")
            with pytest.raises(Failed, match="closed"):
                connection.request("GET", "/e")
        thread.join()


def test_counters_count() -> None:
    now = host_cpu()
    before = now()
    assert any(sum(range(1_000_000)) and now() > before for _ in range(100))
    assert pss([1 << 30]) == 0


def test_growth_beyond_what_a_parked_slot_takes_is_a_leak() -> None:
    names = "KiB processes descriptors threads mounts interfaces namespaces cgroups rules inotify keys"
    first = dict.fromkeys(names.split(), 100)
    assert cycles.leaks(first, first) == []
    assert cycles.leaks(first, {**first, "mounts": 101, "KiB": 200}) == []
    assert cycles.leaks(first, {**first, "mounts": 110, "KiB": 100_000}) == ["KiB: 100 -> 100000", "mounts: 100 -> 110"]


def test_the_files_of_a_copy_are_there_for_all_targets_and_then_gone(tmp_path: Path) -> None:
    told = tmp_path / "told"
    peers = [Target(key, key, f"sh -c 'echo \"$@\" >>{told}' --") for key in ("dockerd", "docker")]
    kept = copies.Copies("many", files=300)
    for peer in peers:
        kept.prepare(peer)
    kept.into(peers[0])
    place = Path(told.read_text().splitlines()[-1].split()[1])
    assert len([path for path in place.rglob("*") if path.is_file()]) == 300
    kept.into(peers[0])
    assert told.read_text().splitlines()[-1].split()[2].endswith(":/new2"), "nothing is removed"
    kept.out(peers[0])
    out = Path(told.read_text().splitlines()[-1].split()[2])
    assert out.parent.is_dir()
    shutil.copytree(place, out)
    kept.forget_out(peers[0])
    assert not out.exists()
    for peer in peers:
        kept.clean(peer)
    assert not place.parent.exists()
    assert not out.parent.exists()


def test_a_name_is_asked_for_as_resolvers_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(asking, "RESOLVER", server.getsockname())
        asked: list[bytes] = []

        def serve() -> None:
            for _ in range(asking.WARM + 3):
                query, client = server.recvfrom(512)
                asked.append(query)
                server.sendto(query[:2] + b"\x81\x80\0\1\0\1" + query[8:], client)

        thread = threading.Thread(target=serve)
        thread.start()
        assert len(asking.ask(asking.question("bench-server"), 3)) == 3
        thread.join()
    assert asked[1] == b"\0\1\1\0\0\1\0\0\0\0\0\0\x0cbench-server\0\0\1\0\1"


def test_answers_are_told_as_what_they_are() -> None:
    script = 'case "$*" in *nslookup*) echo "Server: 127.0.0.11"; echo "Name: p-b"; echo "Address: 10.44.21.3";; esac'
    engine = network_answers.Engine("one", ["sh", "-c", script, "sh"], [], "busybox", "p-", 2)
    assert engine.resolves("a", "@b") == ".3 on 1"
    assert [engine.word(seen) for seen in ("10.44.22.1", "fd00:44:2:1::2", network_answers.ADDRESS, "::1", "")] == [
        "gateway 2", ".2 on 1", "the host", "loopback", "nothing",
    ]  # fmt: skip
    assert (engine.takes("rm", "@x"), engine("rm", "@x")) == ("taken", "")
    assert network_answers.table({"one": {"a": "yes", "b": "no"}, "two": {"a": "yes"}})[2:] == [
        "| a | yes | yes |",
        "| b * | no | – |",
    ]


def test_only_what_ports_add_to_a_start_is_told(tmp_path: Path) -> None:
    """A daemon that starts a container in no time, and one with ports in a tenth of a second."""
    published: list[int] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve(rounds: int) -> None:
            for _ in range(rounds):
                peer, _ = listener.accept()
                with peer:
                    for what in ("create", "start", "look", "remove"):
                        request = peer.recv(1 << 20)
                        if what == "create":
                            published.append(request.count(b"HostPort"))
                        if what == "start":
                            time.sleep(published[-1] / 20)
                        ports = b'"1/tcp": [], "2/tcp": []' if published[-1] else b""
                        shown = b'{"NetworkSettings": {"Ports": {%s}}}' % ports
                        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(shown), shown))

        thread = threading.Thread(target=serve, args=(2,))
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(networks, "ENOUGH", 0.0)
            sample = networks.ports(2, 20_000, 7)(Target("docker", "ours", "false", f"unix://{tmp_path}/s"))
        thread.join()
    assert published == [2, 0]
    assert sample["added"] > 90


def test_an_application_is_run_on_the_target_s_daemon(tmp_path: Path) -> None:
    told = tmp_path / "told"
    compose = tmp_path / "docker-compose"
    compose.write_text(f'#!/bin/sh\necho "$DOCKER_HOST $@" >>{told}\n')
    compose.chmod(0o755)
    six = application.Application(compose)
    target = Target("docker", "ours", "false", "unix:///s")
    six.up(target)
    six.down(target)
    words = f"unix:///s --progress quiet -f {application.FILE} -p bench-application"
    assert told.read_text().splitlines() == [f"{words} up -d", f"{words} down --volumes"]


def test_a_registry_is_filled_and_measured(tmp_path: Path) -> None:
    ours = OwnRegistry(tmp_path / "registry")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(bytes(5000))
    url = f"http://127.0.0.1:{ours.port}"
    for name, config, layers in stock.wanted([f"one={folder}"], besides=False):
        with registry.Client(url) as client:
            stock.push(client, name, config, [*layers, stock.small(300), stock.large(1, 1 << 18)])
    asked = ours.client()
    document = asked("GET", "/v2/bench/one/manifests/1").json
    sizes = [len(asked("GET", f"/v2/bench/one/blobs/{each['digest']}").body) for each in document["layers"]]
    assert sizes == [each["size"] for each in document["layers"]]
    asked.http.close()
    target = Target("docker", "ours", "", url)
    for row in registry.rows(1 << 20).values():
        figures = measure(row, [target], 1, Pause(0))
        assert figures["docker"]["wall"][0] > 0
    ours.close()


def test_rows_of_pulls_have_each_peer_of_their_own() -> None:
    sizes = Sizes(1, 1, 1.0, registry=Registry("127.0.0.1:1", "lo"))
    table = rows(sizes)
    assert table["pull-small-erofs"].keys == ("ctr-erofs", "carrack")
    assert table["first-200"].goals == {("docker", "wall"): 1.2, ("carrack", "wall"): 1.2}
    assert "first-200" not in rows(Sizes(1, 1, 1.0, registry=Registry("127.0.0.1:1")))
    figures = {"ctr": {"wall": [9.0], "CPU": [9.0]}, "carrack": {"wall": [3.0], "CPU": [2.0]}}
    targets = [Target("ctr", "containerd", ""), Target("carrack", "ours", "")]
    assert "ctr: wall 3.0, CPU 4.5 (≥ 3)" in lines(table["pull-debian-ctr"], figures, targets)[1]


def test_goals_may_be_about_one_peer() -> None:
    row = Row("work", lambda _: None, against={("docker", "wall", "podman"): 3.0}, metrics=(WALL,))
    peers = [PEER, Target("podman", "podman", "false"), OURS]
    figures = {"dockerd": {"wall": [10.0]}, "podman": {"wall": [40.0]}, "docker": {"wall": [10.0]}}
    assert (
        lines(row, figures, peers)[-1] == "| work | ours | wall 10.0 ms | dockerd: wall 1.0; podman: wall 4.0 (≥ 3) |"
    )


def test_a_context_is_there_while_targets_need_it_and_changes_when_asked(tmp_path: Path) -> None:
    told = tmp_path / "told"
    tool = tmp_path / "tool"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    tool.chmod(0o755)
    (tmp_path / "contexts").mkdir()
    project = builds.Project(builds.Place(tmp_path / "contexts", "/there"), builds.SIX)
    ours, theirs = Target("carrack", "ours", str(tool)), Target("podman", "podman", str(tool))
    project.prepare(ours)
    project.prepare(theirs)
    (folder,) = (tmp_path / "contexts").iterdir()
    assert len(list(folder.rglob("f*"))) == 8
    before = (folder / "src" / "d0" / "f0").read_bytes()
    project.change(ours)
    assert (folder / "src" / "d0" / "f0").read_bytes() != before
    project.cold(theirs)
    project.whole(ours)
    project.clean(ours)
    project.clean(theirs)
    assert list((tmp_path / "contexts").iterdir()) == []
    assert told.read_text().splitlines()[:6] == [
        f"build -t bench-built-carrack {folder}",
        f"build -t bench-built-podman /there/{folder.name}",
        f"build --no-cache -t bench-built-podman /there/{folder.name}",
        f"build --no-cache -t bench-built-carrack {folder}",
        "rmi -f bench-built-carrack",
        "builder prune -a -f",
    ]
