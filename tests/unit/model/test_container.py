"""The field tables against what a real daemon records and shows (Docker 28.5)."""

from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.model import container as model
from carrack.model import schema
from carrack.model.schema import Field, ListOf, MapOf, Table, check

# The fields of `inspect` of a container of dockerd 28.5, in its order.
CONFIG = """Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd
    Image Volumes WorkingDir Entrypoint OnBuild Labels""".split()
CONFIG_WITHOUT_PORTS = [name for name in CONFIG if name != "ExposedPorts"]
HOST_CONFIG = """Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver
    VolumesFrom ConsoleSize CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup
    Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize Runtime
    Isolation CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps
    BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod
    CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests MemoryReservation MemorySwap
    MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth MaskedPaths
    ReadonlyPaths""".split()


@pytest.mark.parametrize(("table", "shown"), [(model.CONFIG, CONFIG), (model.HOST_CONFIG, HOST_CONFIG)])
def test_the_order_is_dockers(table: Table, shown: list[str]) -> None:
    assert [name for name in table if name in shown] == shown


def test_an_empty_request_is_valid_everywhere() -> None:
    for table in (model.CONFIG, model.HOST_CONFIG, model.NETWORKING, model.EXEC, model.EXEC_START, model.UPDATE):
        assert list(check({}, table)) == list(table)


def test_zero_values_of_what_is_not_built_pass_as_clients_send_them() -> None:
    sent = {"Links": [], "StorageOpt": {}, "DeviceRequests": [], "Cgroup": "", "CpuCount": 0, "KernelMemoryTCP": 0}
    check(sent, model.HOST_CONFIG)
    endpoint: dict[str, object] = {"IPAMConfig": None, "Links": None, "Aliases": [], "DriverOpts": {}, "GwPriority": 0}
    check({"EndpointsConfig": {"bridge": endpoint}}, model.NETWORKING)


@pytest.mark.parametrize(
    "document",
    [
        {"Cgroup": "x"},
    ],
)
def test_what_is_not_built_is_refused_by_name(document: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="is not supported by this version"):
        check(document, model.HOST_CONFIG)


SAMPLES: dict[str, object] = {
    schema.STRING: "x", schema.INTEGER: 1, schema.BOOLEAN: True, schema.STRINGS: ["x"], schema.LABELS: {"x": "y"},
    schema.WORDS: ["x"], schema.LISTS: [["x"]],
}  # fmt: skip


def _sample(field: Field) -> object:
    """A value that asks for something."""
    if isinstance(field.type, str):
        return SAMPLES[field.type]
    table = field.type.table if isinstance(field.type, (ListOf, MapOf)) else field.type
    value = {name: _sample(inner) for name, inner in table.items()}
    return [value] if isinstance(field.type, ListOf) else value


@pytest.mark.parametrize(
    "table",
    [model.CONFIG, model.HOST_CONFIG, model.MOUNT, model.UPDATE, model.ENDPOINT, model.EXEC, model.EXEC_START],
)
def test_every_field_that_is_not_built_is_refused_by_its_name(table: Table) -> None:
    for name, field in table.items():
        if field.built:
            continue
        with pytest.raises(InvalidArgument, match=f"^{name}.* is not supported by this version"):
            check({name: _sample(field)}, table)


def test_update_takes_the_limits_the_restart_policy_and_ports_only() -> None:
    assert set(model.UPDATE) == {*model.RESOURCES, "RestartPolicy", "PublishAdd", "PublishRemove"}
    assert set(model.RESOURCES) <= set(model.HOST_CONFIG)
