"""Targets: JSON documents and the small languages in image configs, requests and files of an image."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fakes.bpf import decode
from tests.fakes.containers import FACTS, container

from carrack.api.json_text import parse_json
from carrack.api.request import Query
from carrack.engine import resources, spec
from carrack.engine.containers import listing, logconfig, merge, names
from carrack.engine.containers.attach import DetachKeys
from carrack.engine.containers.signals import parse_signal
from carrack.engine.events import Event, matcher
from carrack.engine.images import changes
from carrack.engine.images import filters as image_filters
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.linux import seccomp, seccomp_profile
from carrack.model import container as tables
from carrack.model import labels, mounts, ports, schema, times, units
from carrack.network import sandbox_files
from carrack.oci import document, image_config, manifest, platform, reference
from carrack.runtime import bundle, users

ID_LIMIT = 2**31 - 1


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def manifests(data: bytes) -> None:
    """Manifest or index: what is read can be written and read again, and is the same then."""
    for parse in (manifest.parse, manifest.parse_index):
        try:
            first = parse(data)
        except InvalidArgument:
            continue
        again = manifest.parse(document.encode(first.document()))
        assert again == first


def references(data: bytes) -> None:
    text = text_of(data)
    try:
        found = reference.parse(text)
    except InvalidArgument:
        found = None
    if found is not None:
        assert reference.parse(str(found)) == found
        assert reference.parse(found.familiar) == found
        assert ".." not in str(found).replace("...", "").split("/")
    identity = reference.parse_id(text)
    assert identity is None or not identity.removeprefix("sha256:").strip("0123456789abcdef")
    repository, _, tag = text.partition(" ")
    try:
        reference.parse_for_tag(repository, tag)
    except InvalidArgument:
        pass


def image_configs(data: bytes) -> None:
    try:
        config = image_config.parse(data)
    except InvalidArgument:
        return
    assert image_config.parse(document.encode(config)) == config
    try:
        image_config.platform_of(config)
    except InvalidArgument:
        pass


def accounts(data: bytes) -> None:
    """Fields apart by NUL: the user as typed, groups to add, passwd, group. Never a number that was not asked for."""
    user, extra, passwd, group = (*text_of(data).split("\0", 3), "", "", "", "")[:4]
    known = users.Accounts(passwd, group)
    try:
        identity = users.identify(user, extra.split(",") if extra else [], known)
    except (InvalidArgument, NotFound):
        return
    assert all(0 <= number <= ID_LIMIT for number in (identity.uid, identity.gid, *identity.groups))
    name = user.partition(":")[0]
    if name.isascii() and name.isdigit():
        assert identity.uid == int(name)
    elif identity.uid == 0 and name:
        assert any(line.strip().partition(":")[0] == name for line in passwd.split("\n"))
    users.home_of(identity.uid, known)


def port_specs(data: bytes) -> None:
    text = text_of(data)
    try:
        for port in ports.parse_published(text):
            number, _, protocol = port.container.partition("/")
            assert 0 <= int(number) <= 65535
            assert protocol in ("tcp", "udp", "sctp")
            assert not port.host_port or all(0 <= int(part) <= 65535 for part in port.host_port.split("-"))
    except InvalidArgument:
        pass
    for parse in (ports.parse_exposed, ports.parse_port, ports.parse_range):
        try:
            parse(text)
        except InvalidArgument:
            pass


def mount_specs(data: bytes) -> None:
    text = text_of(data)
    try:
        volume = mounts.parse_volume(text)
        assert volume.target.startswith("/")
        assert isinstance(volume.read_only and volume.is_bind, bool)
        assert volume.propagation in ("", "shared", "slave", "private", "rshared", "rslave", "rprivate")
    except InvalidArgument:
        pass
    for parse in (mounts.parse_mount, mounts.parse_tmpfs, mounts.split_fields):
        try:
            parse(text)
        except InvalidArgument:
            pass


def quantities(data: bytes) -> None:
    """Sizes, durations, moments, CPUs: numbers or a refusal, and times come back as they were."""
    text = text_of(data)
    for parse in (units.parse_bytes, units.parse_cpus, units.parse_duration, units.parse_moment, times.parse):
        try:
            value = parse(text)
        except InvalidArgument:
            continue
        assert isinstance(value, int)
        if parse is times.parse and 0 < value < 2**57:
            assert times.parse(times.rfc3339(value)) == value
    for words in (lambda: times.before_now(text), lambda: units.timestamp(text, 1e9), lambda: platform.parse(text)):
        try:
            words()
        except InvalidArgument:
            pass


def filters(data: bytes) -> None:
    """A query's filters, then every list that takes them."""
    try:
        given = Query(data.decode("latin-1") if data[:8] == b"filters=" else "").filters()
        given = given or Query("").filters()
        if not given:
            given = _as_filters(parse_json(data))
    except InvalidArgument:
        return
    event = Event("container", "create", "0" * 64, {"name": "web", "image": "busybox", "a": "b"}, "local", 1)
    matcher(given)(event)
    for act in (
        lambda: listing.select(_CONTAINERS, _nothing, lambda _: set(), everything=True, filters=given),
        lambda: asyncio.run(image_filters.tests(given, image_filters.LIST, _no_image, ())),
        lambda: image_filters.flag(given, "dangling", False),
    ):
        try:
            act()
        except (InvalidArgument, NotFound):
            pass


_CONTAINERS = [
    container(
        1, {"Labels": {"a": "b"}}, status="running", ports={"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    ),
    container(2, {"ExposedPorts": {"80/tcp": {}}}, status="exited", exit_code=3, started_at=1, finished_at=2),
]


def _as_filters(value: Any) -> dict[str, list[str]]:
    from urllib.parse import quote

    return Query("filters=" + quote(json.dumps(value))).filters()


def _nothing(name: str) -> Any:
    raise NotFound(f"No such container: {name}")


async def _no_image(name: str) -> Any:
    raise NotFound(f"No such image: {name}")


def seccomp_profiles(data: bytes) -> None:
    """Refused, or compiled to a program that the kernel's checker takes."""
    try:
        profile = seccomp_profile.parse(text_of(data))
        for caps in (frozenset(), frozenset({"CAP_SYS_ADMIN"})):
            wanted = seccomp_profile.resolve(profile, caps, "x86_64", (6, 1))
            decode(seccomp.compile_profile(wanted, "x86_64"))
    except CarrackError:
        pass


def bundles(data: bytes) -> None:
    try:
        bundle.parse(data)
    except CarrackError:
        pass
    try:
        bundle.process(data, "process.json")
    except CarrackError:
        pass


def json_bodies(data: bytes) -> None:
    """A request's JSON: what is taken is what Python's own reader takes, and encodes; then as a container's request."""
    try:
        value = parse_json(data)
    except InvalidArgument:
        return
    json.dumps(value).encode()
    for table, name in ((tables.CREATE, "create"), (tables.EXEC, "exec"), (tables.EXEC_START, "start")):
        try:
            schema.check(value, table, go=name)
        except InvalidArgument:
            pass


def create_requests(data: bytes) -> None:
    """A request for a container, with an image's config for it: refused, or a runtime spec that can be written."""
    try:
        body = parse_json(data)
    except InvalidArgument:
        return
    if not isinstance(body, dict):
        return
    try:
        schema.check(body, tables.CREATE, go="create")
        made = container(1, body)
        host = made.host_config
        resources.check(host, 2)
        sandbox_files.hosts((), host["ExtraHosts"] or (), ("0.0.0.0",))
        merge.check_together(made.config, host)
        logconfig.tag(made, host["LogConfig"]["Config"].get("tag", ""))
        json.dumps(spec.build(made, FACTS, [], "/")).encode()
        if made.config["StopSignal"]:
            parse_signal(made.config["StopSignal"])
    except CarrackError:
        pass


def words_of_requests(data: bytes) -> None:
    """Signals, detach keys, and names as they stand in a request's query."""
    text = data.decode("utf-8", "replace")
    try:
        assert 0 < parse_signal(text) <= 64
    except InvalidArgument:
        pass
    try:
        DetachKeys(text)
    except InvalidArgument:
        pass
    try:
        assert names.check(text).strip("/") == text.strip("/")
    except InvalidArgument:
        pass


def commit_changes(data: bytes) -> None:
    try:
        changes.apply({}, [text_of(data)])
    except InvalidArgument:
        pass


def word_files(data: bytes) -> None:
    """Environment and label files, given to the command line."""
    try:
        labels.environment_file(data, "f", {"A": "b"})
    except InvalidArgument:
        pass
    try:
        labels.label_file(data, "f")
    except InvalidArgument:
        pass
