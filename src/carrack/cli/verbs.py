"""Which module does which verb: names only, so that starting one verb loads nothing of the others."""

_CONTAINER = {
    "attach": "attach:ATTACH",
    "commit": "commit:COMMIT",
    "cp": "cp:CP",
    "create": "create:CREATE",
    "diff": "diff:DIFF",
    "exec": "exec:EXEC",
    "export": "export:EXPORT",
    "inspect": "inspect:CONTAINER",
    "kill": "stop:KILL",
    "logs": "logs:LOGS",
    "ls": "ps:PS",
    "pause": "lifecycle:PAUSE",
    "port": "port:PORT",
    "prune": "prune:CONTAINERS",
    "rename": "lifecycle:RENAME",
    "restart": "stop:RESTART",
    "rm": "rm:RM",
    "run": "run:RUN",
    "start": "start:START",
    "stats": "stats:STATS",
    "stop": "stop:STOP",
    "top": "top:TOP",
    "unpause": "lifecycle:UNPAUSE",
    "update": "update:UPDATE",
    "wait": "lifecycle:WAIT",
}
_CONTEXT = {
    "create": "context:CREATE",
    "export": "context:EXPORT",
    "import": "context:IMPORT",
    "inspect": "context:INSPECT",
    "ls": "context:LIST",
    "rm": "context:REMOVE",
    "show": "context:SHOW",
    "update": "context:UPDATE",
    "use": "context:USE",
}
_DOCTOR = {"net": "doctor:NET"}
_IMAGE = {
    "build": "build:BUILD",
    "bootstrap": "bootstrap:BOOTSTRAP",
    "diff": "explain:DIFF",
    "explain": "explain:EXPLAIN",
    "history": "history:HISTORY",
    "import": "load:IMPORT",
    "inspect": "inspect:IMAGE",
    "load": "load:LOAD",
    "ls": "images:IMAGES",
    "prune": "prune:IMAGES",
    "pull": "pull:PULL",
    "push": "push:PUSH",
    "rm": "rm:RMI",
    "save": "save:SAVE",
    "tag": "tag:TAG",
}
_MANIFEST = {
    "annotate": "manifest:ANNOTATE",
    "create": "manifest:CREATE",
    "inspect": "manifest:INSPECT",
    "push": "manifest:PUSH",
    "rm": "manifest:RM",
}
_NETWORK = {
    "connect": "networks:CONNECT",
    "create": "networks:CREATE",
    "disconnect": "networks:DISCONNECT",
    "inspect": "inspect:NETWORK",
    "ls": "networks:LIST",
    "prune": "prune:NETWORKS",
    "rm": "networks:REMOVE",
}
_REGISTRY = {
    "password": "registry:PASSWORD",
    "serve": "registry:SERVE",
}
_SYSTEM = {
    "df": "df:DF",
    "dial-stdio": "dial:DIAL",
    "events": "events:EVENTS",
    "fsck": "fsck:FSCK",
    "gc": "gc:GC",
    "info": "info:INFO",
    "ports": "ports:PORTS",
    "prune": "prune:SYSTEM",
    "start": "system_start:START",
}
_VOLUME = {
    "create": "volumes:CREATE",
    "inspect": "inspect:VOLUME",
    "ls": "volumes:LIST",
    "prune": "prune:VOLUMES",
    "rm": "volumes:REMOVE",
    "update": "volumes:UPDATE",
}

_BUILDER = {
    "build": "build:BUILD",
    "prune": "prune:BUILDS",
}

_BUILDS = {
    "inspect": "builds:INSPECT",
    "logs": "builds:LOGS",
    "ls": "builds:LIST",
    "rm": "builds:REMOVE",
}

GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "builder": ("Manage builds", _BUILDER),
    "builds": ("Look at builds that were done", _BUILDS),
    "container": ("Manage containers", _CONTAINER),
    "context": ("Manage contexts", _CONTEXT),
    "doctor": ("Find what is wrong, and the commands that mend it", _DOCTOR),
    "image": ("Manage images", _IMAGE),
    "manifest": ("Manage manifests and lists of them, for images of several platforms", _MANIFEST),
    "network": ("Manage networks", _NETWORK),
    "registry": ("Serve images to others", _REGISTRY),
    "system": ("Manage Carrack", _SYSTEM),
    "volume": ("Manage volumes", _VOLUME),
}
# other names of a verb within its group
SYNONYMS = {
    "builds": {"list": "ls", "remove": "rm"},
    "container": {"ps": "ls", "list": "ls", "remove": "rm"},
    "context": {"list": "ls", "remove": "rm"},
    "doctor": {"network": "net"},
    "image": {"list": "ls", "remove": "rm"},
    "network": {"list": "ls", "remove": "rm"},
    "volume": {"list": "ls", "remove": "rm"},
}
COMMON = ("run", "exec", "ps", "pull", "images", "version", "info")
TOP: dict[str, str] = {
    **{verb: place for verb, place in _CONTAINER.items() if verb not in ("ls", "prune", "inspect")},
    "ps": _CONTAINER["ls"],
    "images": _IMAGE["ls"],
    "rmi": _IMAGE["rm"],
    **{verb: _IMAGE[verb] for verb in ("build", "history", "import", "load", "pull", "push", "save", "tag")},
    "info": _SYSTEM["info"],
    "events": _SYSTEM["events"],
    "fsck": _SYSTEM["fsck"],
    "gc": _SYSTEM["gc"],
    "inspect": "inspect:ANY",
    "login": "login:LOGIN",
    "logout": "login:LOGOUT",
    "search": "search:SEARCH",
    "version": "version:VERSION",
    "completion": "completion:COMPLETION",
    "__complete": "completion:COMPLETE",
}
# known to the docker command, and not built here
_REFUSED = """compose checkpoint plugin trust
config node secret service stack swarm"""


def place(group: str, verb: str) -> str | None:
    """``module:NAME`` of a verb (``group`` is empty at the top), None for an unknown one."""
    verbs = GROUPS[group][1] if group else TOP
    return verbs.get(SYNONYMS.get(group, {}).get(verb, verb))


def is_refused(group: str, verb: str) -> bool:
    """Whether docker has this verb and Carrack does not have it yet."""
    return not group and verb in _REFUSED.split()


def names(group: str, verb: str) -> list[str]:
    """All ways to write a verb: ``container ls``, ``container list``, ``ps``."""
    wanted = place(group, verb)
    found = []
    for other, (_, verbs) in GROUPS.items():
        for name in verbs:
            if verbs[name] == wanted:
                synonyms = [s for s, target in SYNONYMS.get(other, {}).items() if target == name]
                found += [f"{other} {each}" for each in (name, *synonyms)]
    return found + [name for name in TOP if TOP[name] == wanted]
