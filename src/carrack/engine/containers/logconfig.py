"""The log driver of a container: which there are, what their options may be, and what the shim is asked to write.

Names and most values are judged when the container is made, the rest when it starts, in Docker's words at Docker's
moments. Docker's json-file grows without bound unless told; here a log has MAX_SIZE and MAX_FILE by default, because a
container that talks a lot must not fill the host's disk (``max-size=1000t`` asks for no bound).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from carrack.errors import Internal, InvalidArgument, NotSupported
from carrack.model import times
from carrack.model.gotemplate.evaluate import Template
from carrack.model.gotemplate.functions import FUNCTIONS
from carrack.model.gotemplate.template import TemplateError
from carrack.model.units import parse_bytes
from carrack.shim.logs import drivers
from carrack.shim.logs.texts import boolean, compact, integer

if TYPE_CHECKING:
    from carrack.engine.containers.paths import Paths
    from carrack.engine.containers.record import Container
    from carrack.shim.requests import FileRequest, LoggerRequest, LogRequest

DRIVERS = ("fluentd", "gelf", "journald", "json-file", "local", "none", "splunk", "syslog")
DEFAULT = "json-file"
MAX_SIZE, MAX_FILE = 100_000_000, 5
_NOT_BUILT = ("awslogs", "etwlogs", "gcplogs", "logentries")
_OF_FILES = {
    "json-file": ("max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"),
    "local": ("max-file", "max-size", "compress"),
}
_COMMON = ("mode", "max-buffer-size")
_CACHE = ("cache-disabled", "cache-max-size", "cache-max-file", "cache-compress")
_LOCAL_SIZE, _LOCAL_FILES = 20 << 20, 5
_BUFFER = 1 << 20
_MESSAGES, _MOST_BUFFER = 1 << 20, 64 << 20
_FAILED = "failed to create task for container: failed to initialize logging driver"
#: what Docker's own tag says, so that what sorts logs by it goes on to work
_DAEMON_NAME = "docker"
_TAG_FUNCTIONS = {**FUNCTIONS, "json": compact}
_MOST_PATTERN = 4096


def complete(log: dict[str, Any], driver: str = DEFAULT, options: Mapping[str, str] | None = None) -> None:
    """Complete a LogConfig in place with the daemon's own, and refuse what cannot be. Raises InvalidArgument for
    unknown drivers and options, NotSupported for drivers that Docker has and this engine has not."""
    log["Type"] = log["Type"] or driver
    given = log["Config"] or {}
    usual = options or {}
    if log["Type"] != driver:
        usual = {name: value for name, value in usual.items() if name in _CACHE and log["Type"] in drivers.REMOTE}
    log["Config"] = {**usual, **given}
    check(log["Type"], log["Config"])


def check(name: str, options: Mapping[str, str]) -> None:
    """Refuse a driver or an option. Raises InvalidArgument or NotSupported."""
    if name == "none":
        if options:
            raise InvalidArgument(f"invalid logging opts for driver none: {', '.join(options)}")
        return
    if name in _NOT_BUILT:
        known = ", ".join(DRIVERS)
        raise NotSupported(f"logging driver {name!r} is not supported by this version of Carrack: use one of {known}")
    if name not in DRIVERS:
        raise InvalidArgument(f'error looking up logging plugin {name}: plugin "{name}" not found')
    _check_common(options)
    own = {key: value for key, value in options.items() if key not in (*_COMMON, *_CACHE)}
    if name not in _OF_FILES:
        drivers.check(name, own)
        return
    for key in own:
        if key not in _OF_FILES[name]:
            told = f"{name} log driver" if name == DEFAULT else f"log driver {name}"
            raise InvalidArgument(f"unknown log opt '{key}' for {told}")


def _check_common(options: Mapping[str, str]) -> None:
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options:
        if mode != "non-blocking":
            raise InvalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
        try:
            parse_bytes(options["max-buffer-size"])
        except InvalidArgument as error:
            raise InvalidArgument(f"error parsing option max-buffer-size: {error}") from error
    for name in ("cache-disabled", "cache-compress"):
        try:
            boolean(options.get(name) or "false")
        except InvalidArgument:
            raise InvalidArgument(f"invalid value for option {name}: {options[name]}") from None
    _cache_file(options)


def readable(log: Mapping[str, Any]) -> bool:
    """Whether ``docker logs`` has something to read."""
    if log["Type"] in drivers.REMOTE:
        return not boolean(log["Config"].get("cache-disabled") or "false")
    return bool(log["Type"] != "none")


def request(c: Container, paths: Paths) -> LogRequest | None:
    """What to ask the shim for; None for no log. Raises Internal, at start as Docker does, on what cannot be."""
    kind, options = c.host_config["LogConfig"]["Type"], c.host_config["LogConfig"]["Config"] or {}
    if kind == "none":
        return None
    try:
        if kind in _OF_FILES:
            return _of_file(c, kind, options, paths)
        return {"directory": local_directory(paths, c), "logger": _of_remote(c, kind, options)}
    except (InvalidArgument, OSError) as error:
        raise Internal(f"{_FAILED}: {error}") from error


def _of_file(c: Container, kind: str, options: Mapping[str, str], paths: Paths) -> LogRequest:
    if kind == "local":
        file, directory = local_file(options), local_directory(paths, c)
    else:
        file, directory = json_file(os.path.basename(paths.log(c.id)), options), paths.data(c.id)
        fields = attributes(c, options)
        if text := tag(c, options.get("tag", "")):
            fields["tag"] = text
        if fields:
            file["attributes"] = compact(dict(sorted(fields.items())))
    if options.get("mode") != "non-blocking":
        return {"directory": directory, "file": file}
    return {"directory": directory, "logger": {"file": file, **_buffer(options)}}


def _of_remote(c: Container, kind: str, options: Mapping[str, str]) -> LoggerRequest:
    own = {key: value for key, value in options.items() if key not in (*_COMMON, *_CACHE)}
    task = {
        "driver": kind,
        "options": own,
        "tag": tag(c, options.get("tag", "{{.ID}}")),
        "attributes": attributes(c, options),
        "id": c.id,
        "name": c.name,
        "image_id": c.image_id,
        "image_name": c.image,
        "command": " ".join([c.path, *c.args]),
        "created": times.rfc3339(c.created),
        "hostname": os.uname().nodename,
    }
    wanted: LoggerRequest = {"task": task, **_buffer(options)}
    if readable({"Type": kind, "Config": options}):
        wanted["cache"] = _cache_file(options)
    if kind == "fluentd" and boolean(own.get("fluentd-async") or "false") and options.get("mode") != "non-blocking":
        limit = own.get("fluentd-buffer-limit", "")
        wanted["blocking"], wanted["max_buffer"] = False, _MOST_BUFFER
        wanted["max_messages"] = parse_bytes(limit) if limit else _MESSAGES
    return wanted


def _buffer(options: Mapping[str, str]) -> LoggerRequest:
    if options.get("mode") != "non-blocking":
        return {"blocking": True}
    return {"blocking": False, "max_buffer": max(1, parse_bytes(options.get("max-buffer-size") or f"{_BUFFER}"))}


def json_file(name: str, options: Mapping[str, str]) -> FileRequest:
    """The json-file that these options describe. Raises InvalidArgument in Docker's words."""
    size, files = MAX_SIZE, integer(options.get("max-file", "1" if "max-size" in options else str(MAX_FILE)))
    if "max-size" in options:
        size = parse_bytes(options["max-size"], 1000)
        if size <= 0:
            raise InvalidArgument("max-size must be a positive number")
    if files < 1:
        raise InvalidArgument("max-file cannot be less than 1")
    compress = boolean(options.get("compress") or "false")
    if compress and files < 2:
        raise InvalidArgument("compress cannot be true when max-file is less than 2 or max-size is not set")
    return {"kind": "json-file", "name": name, "max_size": size, "max_file": files, "compress": compress}


def local_file(options: Mapping[str, str]) -> FileRequest:
    """The local driver's file that these options describe. Raises InvalidArgument in Docker's words."""
    size, files = _LOCAL_SIZE, _LOCAL_FILES
    if text := options.get("max-size"):
        try:
            size = parse_bytes(text, 1000)
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid value for max-size: {text}: {error}") from error
    if text := options.get("max-file"):
        try:
            files = integer(text)
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid value for max-file: {text}: {error}") from error
    try:
        compress = boolean(options.get("compress") or "true")
    except InvalidArgument as error:
        raise InvalidArgument(f"error reading compress log option: {error}") from error
    if compress and files < 2:
        raise InvalidArgument("compression cannot be enabled when max file count is 1")
    if files < 1:
        raise InvalidArgument("max-file cannot be less than 1")
    return {"kind": "local", "name": LOCAL_NAME, "max_size": size, "max_file": files, "compress": compress}


LOCAL_NAME = "container.log"


def _cache_file(options: Mapping[str, str]) -> FileRequest:
    own = {name.removeprefix("cache-"): options[name] for name in _CACHE[1:] if name in options}
    if own.get("max-file") == "1":
        own.setdefault("compress", "false")
    try:
        return local_file(own)
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid options of the log cache: {error}") from error


def local_directory(paths: Paths, c: Container) -> str:
    """Where the files of this format lie; made when it is needed first."""
    directory = os.path.dirname(paths.local_log(c.id))
    os.makedirs(directory, mode=0o710, exist_ok=True)
    return directory


def attributes(c: Container, options: Mapping[str, str]) -> dict[str, str]:
    """The labels and environment variables that the options choose. Raises InvalidArgument on a bad pattern."""
    labels = c.config["Labels"] or {}
    variables = dict(word.split("=", 1) for word in c.config["Env"] or [] if "=" in word)
    return {**_chosen(labels, options, "labels"), **_chosen(variables, options, "env")}


def _chosen(values: Mapping[str, str], options: Mapping[str, str], name: str) -> dict[str, str]:
    names = options.get(name, "").split(",") if options.get(name) else []
    found = {key: values[key] for key in names if key in values}
    pattern = options.get(f"{name}-regex")
    if pattern:
        try:
            if len(pattern) > _MOST_PATTERN:
                raise re.error("expression too long")
            compiled = re.compile(pattern)
        except re.error as error:
            told = "missing closing )" if "missing )" in str(error) else str(error)  # as Go words the usual slip
            raise InvalidArgument(f"error parsing regexp: {told}: `{pattern}`") from error
        found |= {key: value for key, value in values.items() if compiled.search(key)}
    return found


def tag(c: Container, text: str) -> str:
    """A tag's template filled in. Raises InvalidArgument in Go's words."""
    if not text:
        return ""
    info = {
        "ID": c.id[:12],
        "FullID": c.id,
        "Name": c.name,
        "ImageID": c.image_id[:12],
        "ImageFullID": c.image_id,
        "ImageName": c.image,
        "DaemonName": _DAEMON_NAME,
        "ContainerID": c.id,
        "ContainerName": "/" + c.name,
        "ContainerImageID": c.image_id,
        "ContainerImageName": c.image,
        "ContainerEntrypoint": c.path,
        "ContainerArgs": c.args,
        "ContainerCreated": times.rfc3339(c.created),
        "ContainerEnv": c.config["Env"] or [],
        "ContainerLabels": c.config["Labels"] or {},
        "Command": " ".join([c.path, *c.args]),
        "Hostname": os.uname().nodename,
    }
    try:
        return Template(text, "*logger.Info", _TAG_FUNCTIONS).render(info)
    except TemplateError as error:
        told = (
            str(error).replace("template: :", "template: log-tag:", 1).replace('executing ""', 'executing "log-tag"', 1)
        )
        raise InvalidArgument(told) from error


def status(c: Container, paths: Paths) -> dict[str, Any] | None:
    """How many messages were dropped for want of room (``Dropped``) or given up by a driver (``Lost``), and the last
    ``Error``; None when nothing was."""
    log = c.host_config["LogConfig"]
    if log["Type"] not in drivers.REMOTE and (log["Config"] or {}).get("mode") != "non-blocking":
        return None  # the shim itself writes
    directory = paths.data(c.id) if log["Type"] == "json-file" else os.path.dirname(paths.local_log(c.id))
    try:
        with open(os.path.join(directory, "log-status"), "rb") as file:
            found = json.loads(file.read(1 << 16))
        return {"Dropped": int(found["dropped"]), "Lost": int(found["lost"]), "Error": str(found["error"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
