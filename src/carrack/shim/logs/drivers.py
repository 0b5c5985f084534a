"""The drivers that a logger process runs, by name; each is imported only where it is used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.shim.logs.task import Driver, Task

#: those that send messages away
REMOTE = ("fluentd", "gelf", "journald", "splunk", "syslog")


def check(name: str, options: Mapping[str, str]) -> None:
    """Refuse options that a remote driver does not have or cannot use. Raises InvalidArgument in Docker's words."""
    if name == "fluentd":
        from carrack.shim.logs import fluentd as driver
    elif name == "gelf":
        from carrack.shim.logs import gelf as driver  # type: ignore[no-redef]
    elif name == "journald":
        from carrack.shim.logs import journald as driver  # type: ignore[no-redef]
    elif name == "splunk":
        from carrack.shim.logs import splunk as driver  # type: ignore[no-redef]
    else:
        from carrack.shim.logs import syslog as driver  # type: ignore[no-redef]
    driver.check(options)


def make(task: Task) -> Driver:
    """A remote driver that is not connected yet. Raises InvalidArgument."""
    if task.driver == "fluentd":
        from carrack.shim.logs.fluentd import Fluentd

        return Fluentd(task)
    if task.driver == "gelf":
        from carrack.shim.logs.gelf import Gelf

        return Gelf(task)
    if task.driver == "journald":
        from carrack.shim.logs.journald import Journald

        return Journald(task)
    if task.driver == "splunk":
        from carrack.shim.logs.splunk import Splunk

        return Splunk(task)
    from carrack.shim.logs.syslog import Syslog

    return Syslog(task)
