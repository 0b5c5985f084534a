"""``carrack info``: the daemon's own account of itself."""

from carrack import __version__
from carrack.cli.command import Command, write, write_error
from carrack.cli.exit import Exit
from carrack.client import document, system
from carrack.errors import InvalidArgument
from carrack.model.units import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_COUNTS = (("Containers", "Containers"), (" Running", "ContainersRunning"), (" Paused", "ContainersPaused"))
_BEFORE = (("Images", "Images"), ("Server Version", "ServerVersion"), ("Storage Driver", "Driver"))
_MIDDLE = (("Logging Driver", "LoggingDriver"), ("Cgroup Driver", "CgroupDriver"), ("Cgroup Version", "CgroupVersion"))
_HOST = (
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
)
_LAST = (("Name", "Name"), ("ID", "ID"), ("Data Root Dir", "DockerRootDir"))


def _info(session: "Session", parsed: "Parsed") -> int:
    form = "json" if parsed.flag("json") else parsed.text("format")
    info = system.info(session.daemon)
    client = {"Debug": False, "Version": __version__, "Context": session.context_name}
    if form == "json":
        write(document.dumps({**info, "ClientInfo": client}))
    elif form:
        from carrack.cli.render.evaluate import Template

        try:
            write(Template(form).render({**info, "ClientInfo": client}))
        except InvalidArgument as error:
            raise Exit(64, f"template parsing error: {error}") from error
    else:
        write(f"Client: Carrack\n Version:    {__version__}\n Context:    {client['Context']}\n\nServer:")
        for line in lines(info):
            write(f" {line}")
        for warning in info.get("Warnings") or []:
            write_error(str(warning))
    return 0


def lines(info: "Document") -> list[str]:
    """The account as lines; what the daemon does not say is left out."""
    out = [
        f"{label}: {info[key]}" for label, key in (*_COUNTS, (" Stopped", "ContainersStopped"), *_BEFORE) if key in info
    ]
    out += [f" {name}: {value}" for name, value in info.get("DriverStatus") or []]
    out += [f"{label}: {info[key]}" for label, key in _MIDDLE if key in info]
    if plugins := info.get("Plugins"):
        out.append("Plugins:")
        out += [
            f" {kind}: {' '.join(names)}"
            for kind, names in plugins.items()
            if names and kind in ("Volume", "Network", "Log")
        ]
    if "Swarm" in info:
        out.append(f"Swarm: {info['Swarm'].get('LocalNodeState', 'inactive')}")
    if runtimes := info.get("Runtimes"):
        out += [f"Runtimes: {' '.join(sorted(runtimes))}", f"Default Runtime: {info.get('DefaultRuntime', '')}"]
    if info.get("InitBinary"):
        out.append(f"Init Binary: {info['InitBinary']}")
    out += _security(info.get("SecurityOptions") or [])
    out += [f"{label}: {info[key]}" for label, key in _HOST if key in info]
    if "MemTotal" in info:
        out.append(f"Total Memory: {binary_size(info['MemTotal'])}")
    out += [f"{label}: {info[key]}" for label, key in _LAST if key in info]
    out.append(f"Debug Mode: {'true' if info.get('Debug') else 'false'}")
    out += [f"{label}: {info[key]}" for label, key in _PROXIES if info.get(key)]
    if info.get("Labels"):
        out += ["Labels:", *(f" {label}" for label in info["Labels"])]
    out += _registries(info.get("RegistryConfig") or {})
    out.append(f"Live Restore Enabled: {'true' if info.get('LiveRestoreEnabled') else 'false'}")
    return out


_PROXIES = (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy"))


def _registries(config: "Document") -> list[str]:
    """Which registries may be without trusted TLS, and Docker Hub's mirrors."""
    named = [name for name, index in config.get("IndexConfigs", {}).items() if not index.get("Secure", True)]
    insecure = [*sorted(named), *(config.get("InsecureRegistryCIDRs") or [])]
    out = ["Insecure Registries:", *(f" {text}" for text in insecure)] if insecure else []
    if mirrors := config.get("Mirrors"):
        out += ["Registry Mirrors:", *(f" {text}" for text in mirrors)]
    return out


def _security(options: list[str]) -> list[str]:
    """``name=seccomp,profile=builtin`` on two lines."""
    out = ["Security Options:"] if options else []
    for option in options:
        pairs = [field.partition("=")[::2] for field in option.split(",")]
        out += [f" {value}" if key == "name" else f"  {key.capitalize()}: {value}" for key, value in pairs]
    return out


INFO = Command(
    "[OPTIONS]",
    "Display system-wide information",
    _info,
    (
        ("format", "f", "string", "Format output: 'json' or a Go TEMPLATE"),
        ("json", "", "bool", "Print JSON in one line (the same as --format json)"),
    ),
    example="carrack info -f '{{.Driver}}'",
)
