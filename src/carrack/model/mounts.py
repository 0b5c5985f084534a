"""What ``-v``, ``--mount`` and ``--tmpfs`` mean: text in, the API's documents out.

The command line and the engine read the same notation here; whether a path exists is nobody's business in this file.
"""

from carrack.errors import InvalidArgument
from carrack.model.idmap import is_idmap, parse_idmap
from carrack.model.units import parse_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_CONSISTENCY = ("consistent", "cached", "delegated", "default")
_MODE_GROUPS = (("ro", "rw"), _PROPAGATION, ("z", "Z"), ("nocopy",), _CONSISTENCY)
_IDMAP = ("idmap",)
_MOUNT_KEYS = {
    "type": "Type",
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
}
_OPTION_OWNERS = {
    "BindOptions": ("bind", "bind"),
    "VolumeOptions": ("volume", "volume"),
    "ImageOptions": ("image", "image"),
    "TmpfsOptions": ("tmpfs", "tmpfs"),
}


class VolumeSpec:
    """A parsed ``-v``: ``source`` is None for an anonymous volume, an absolute path for a bind, else a name."""

    __slots__ = ("mode", "source", "target")

    def __init__(self, source: str | None, target: str, mode: tuple[str, ...] = ()) -> None:
        self.source = source
        self.target = target
        self.mode = mode

    @property
    def is_bind(self) -> bool:
        return self.source is not None and self.source.startswith("/")

    @property
    def read_only(self) -> bool:
        return "ro" in self.mode

    @property
    def propagation(self) -> str:
        return next((word for word in self.mode if word in _PROPAGATION), "")

    @property
    def copy_up(self) -> bool:
        """Whether an empty volume is filled from the image."""
        return "nocopy" not in self.mode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VolumeSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"VolumeSpec({self.source!r}, {self.target!r}, {self.mode!r})"

    def _key(self) -> tuple[str | None, str, tuple[str, ...]]:
        return self.source, self.target, self.mode


def parse_volume(text: str) -> VolumeSpec:
    """Read ``target``, ``source:target`` or ``source:target:mode``; refusals are worded as the daemon's.

    >>> parse_volume("/srv:/data:ro")
    VolumeSpec('/srv', '/data', ('ro',))
    """
    parts = text.split(":")
    if not parts[0] or len(parts) > 3:
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    source: str | None = None
    mode: tuple[str, ...] = ()
    if len(parts) == 1 or (len(parts) == 2 and _mode(parts[1]) is not None):
        target = parts[0]
        mode = (_mode(parts[1]) or ()) if len(parts) == 2 else ()
    else:
        source, target = parts[:2]
        if len(parts) == 3:
            given = _mode(parts[2])
            if given is None:
                raise InvalidArgument(f"invalid mode: {parts[2]}")
            mode = given
    for word in filter(is_idmap, mode):
        parse_idmap(word)
    return VolumeSpec(source, _absolute_target(text, target, bind=(source or "").startswith("/")), mode)


def parse_mount(text: str) -> "dict[str, Any]":
    """The API's Mount document of ``type=bind,source=/srv,target=/data,readonly`` (comma-separated values)."""
    mount: dict[str, Any] = {"Type": "volume"}
    if not text:
        raise InvalidArgument("EOF")
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        name = key.strip().lower()
        if not equals and name not in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive", "idmap"):
            raise InvalidArgument(f"invalid field '{field}' must be a key=value pair")
        _mount_field(mount, name, value, field)
    if not mount.get("Target"):
        raise InvalidArgument("target is required")
    for options, (kind, prefix) in _OPTION_OWNERS.items():
        if options in mount and mount["Type"] != kind:
            raise InvalidArgument(f"cannot mix '{prefix}-*' options with mount type '{mount['Type']}'")
    _check_recursion(mount, mount.get("BindOptions", {}))
    return mount


def _check_recursion(mount: "dict[str, Any]", options: "dict[str, Any]") -> None:
    """Refuse what says nothing: how far "read-only" reaches, of what is not."""
    words = [("writable", "ReadOnlyNonRecursive"), ("readonly", "ReadOnlyForceRecursive")]
    for word, name in words:
        if options.get(name):
            told = f"option 'bind-recursive={word}' requires"
            if not mount.get("ReadOnly"):
                raise InvalidArgument(f"{told} 'readonly' to be specified in conjunction")
            if word == "readonly" and options.get("Propagation") != "rprivate":
                raise InvalidArgument(f"{told} 'bind-propagation=rprivate' to be specified in conjunction")


def parse_tmpfs(text: str) -> tuple[str, str]:
    """Target and options of ``--tmpfs /run:size=64m,noexec``."""
    target, _, options = text.partition(":")
    return target, options


def split_fields(text: str) -> list[str]:
    """One line of comma-separated values, where ``"`` protects commas and ``""`` is a quote (RFC 4180)."""
    fields: list[str] = []
    current, quoted, position = "", False, 0
    while position < len(text):
        character = text[position]
        if character == '"' and quoted and text[position + 1 : position + 2] == '"':
            current += '"'
            position += 1
        elif character == '"' and (quoted or not current):
            quoted = not quoted
        elif character == '"':
            raise InvalidArgument(f"a quote stands within a field that is not quoted in {text!r}")
        elif character == "," and not quoted:
            fields.append(current)
            current = ""
        else:
            current += character
        position += 1
    if quoted:
        raise InvalidArgument(f"a quote is not closed in {text!r}")
    return [*fields, current]


def _mode(text: str) -> tuple[str, ...] | None:
    """The words of a mode, None when it is not one: at most one word of each group."""
    words = tuple(text.split(","))
    groups = [_IDMAP if is_idmap(word) else next((g for g in _MODE_GROUPS if word in g), None) for word in words]
    if None in groups or len({id(group) for group in groups}) != len(words):
        return None
    return words


def _absolute_target(text: str, target: str, *, bind: bool) -> str:
    told = f"invalid volume specification: '{text}': invalid mount config for type \"{'bind' if bind else 'volume'}\": "
    if not target.startswith("/"):
        raise InvalidArgument(f"{told}invalid mount path: '{target}' mount path must be absolute")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    if not parts:
        raise InvalidArgument(f"{told}invalid specification: destination can't be '/'")
    return "/" + "/".join(parts) if ".." not in parts else target


def _mount_field(mount: "dict[str, Any]", name: str, value: str, field: str) -> None:
    if name in _MOUNT_KEYS:
        mount[_MOUNT_KEYS[name]] = value.lower() if name == "type" else value
    elif name == "idmap":
        parse_idmap(field.strip())
        mount["IdMap"] = field.strip()
    elif name in ("readonly", "ro"):
        mount["ReadOnly"] = _boolean(name, value)
    elif name.startswith("bind-"):
        _bind_option(mount, name, value, field)
    elif name.startswith("volume-"):
        _volume_option(mount, name, value, field)
    elif name == "image-subpath":
        mount.setdefault("ImageOptions", {})["Subpath"] = value
    elif name in ("tmpfs-size", "tmpfs-mode"):
        _tmpfs_option(mount, name, value)
    else:
        raise InvalidArgument(f"unexpected key '{name}' in '{field}'")


def _bind_option(mount: "dict[str, Any]", name: str, value: str, field: str) -> None:
    options = mount.setdefault("BindOptions", {})
    if name == "bind-propagation":
        options["Propagation"] = value.lower()
    elif name == "bind-create-src":
        options["CreateMountpoint"] = _boolean(name, value)
    elif name == "bind-nonrecursive":
        options["NonRecursive"] = _boolean(name, value)
    elif name == "bind-recursive":
        choices: dict[str, dict[str, bool]] = {
            "enabled": {},
            "disabled": {"NonRecursive": True},
            "writable": {"ReadOnlyNonRecursive": True},
            "readonly": {"ReadOnlyForceRecursive": True},
        }
        if value not in choices:
            raise InvalidArgument(
                f'invalid value for {name}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        options.update(choices[value])
    else:
        raise InvalidArgument(f"unexpected key '{name}' in '{field}'")


def _volume_option(mount: "dict[str, Any]", name: str, value: str, field: str) -> None:
    options = mount.setdefault("VolumeOptions", {})
    key, _, item = value.partition("=")
    if name == "volume-nocopy":
        options["NoCopy"] = _boolean(name, value)
    elif name == "volume-subpath":
        options["Subpath"] = value
    elif name == "volume-label":
        options.setdefault("Labels", {})[key] = item
    elif name == "volume-driver":
        options.setdefault("DriverConfig", {})["Name"] = value
    elif name == "volume-opt":
        options.setdefault("DriverConfig", {}).setdefault("Options", {})[key] = item
    else:
        raise InvalidArgument(f"unexpected key '{name}' in '{field}'")


def _tmpfs_option(mount: "dict[str, Any]", name: str, value: str) -> None:
    options = mount.setdefault("TmpfsOptions", {})
    try:
        if name == "tmpfs-size":
            options["SizeBytes"] = parse_bytes(value)
        else:
            options["Mode"] = int(value, 8)
    except (InvalidArgument, ValueError):
        raise InvalidArgument(f"invalid value for {name}: {value}") from None


def _boolean(name: str, value: str) -> bool:
    if value in ("", "1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise InvalidArgument(f"invalid value for {name}: {value}")
