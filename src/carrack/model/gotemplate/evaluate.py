"""Running a parsed template over documents, with the values of JSON and the looks of Go.

A field whose value is callable is a method: it takes the words that follow it. Missing keys of a document are an error
that names the key, as docker has it, unless the caller asks for leniency.
"""

from carrack.model.gotemplate.functions import FUNCTIONS, Absent, shown, truth
from carrack.model.gotemplate.template import Node, Operand, Pipe, TemplateError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Template:
    """A parsed template; ``kind`` names the type whose fields it may use, for errors (empty: a plain document)."""

    def __init__(self, text: str, kind: str = "", functions: "dict[str, Callable[..., Any]] | None" = None) -> None:
        self._nodes = parse(text)
        self._kind = kind
        self._functions = FUNCTIONS if functions is None else functions
        _check_functions(self._nodes, self._functions)

    def render(self, value: "Any") -> str:
        """The text for one value; :class:`TemplateError` when it lacks what the template asks for."""
        run = _Run(value, self._functions, self._kind)
        run.nodes(self._nodes, value)
        return "".join(run.out)


# How Go prints what JSON has as null, by the type that the field has in the API: most are lists.
_MAPS = """Annotations DriverOpts ExposedPorts GenericOptions Labels Options PortBindings Ports Services Status
StorageOpt Sysctls Tmpfs Volumes""".split()
_TEXT_MAPS = (*_MAPS, "Attributes")  # a key that one of these lacks is no mistake
_POINTERS = """ClusterVolume Descriptor Platform SizeRootFs SizeRw
Health Healthcheck IPAMConfig ImageManifestDescriptor Init MemorySwappiness OomKillDisable PidsLimit
StopTimeout UsageData""".split()
# Fields that the API leaves out when they are empty: asking for one is no mistake.
_OPTIONAL = """Annotations ClusterVolume Descriptor ExposedPorts Health Healthcheck ImageManifestDescriptor Init
Manifests Mounts OnBuild Peers Services Shell SizeRootFs SizeRw Status StopTimeout StorageOpt Sysctls Tmpfs UsageData
Volumes""".split()
_ZEROS: "dict[str, Any]" = {
    **dict.fromkeys(("Container", "MacAddress", "OsVersion", "StopSignal", "Variant"), ""),
    **dict.fromkeys(("ArgsEscaped", "NetworkDisabled"), False),
    **dict.fromkeys(("KernelMemory", "KernelMemoryTCP", "VirtualSize"), 0),
}


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Run:
    def __init__(self, root: "Any", functions: "dict[str, Callable[..., Any]]", kind: str) -> None:
        self.out: list[str] = []
        self._variables: list[tuple[str, Any]] = [("$", root)]
        self._functions = functions
        self._kind = kind

    def nodes(self, nodes: list[Node], dot: "Any") -> None:
        depth = len(self._variables)
        try:
            for node in nodes:
                self._node(node, dot)
        finally:
            del self._variables[depth:]

    def _node(self, node: Node, dot: "Any") -> None:
        if node.pipe is None:
            if node.kind != "text":
                raise _Break if node.kind == "break" else _Continue
            self.out.append(node.text)
        elif node.kind == "action":
            value = self._pipe(node.pipe, dot)
            if not node.pipe.names:
                self.out.append(_null(node.pipe) if value is None else shown(value))
        elif node.kind == "range":
            self._range(node, node.pipe, dot)
        else:
            depth = len(self._variables)
            value = self._pipe(node.pipe, dot)
            inner = value if node.kind == "with" and truth(value) else dot
            self.nodes(node.body if truth(value) else node.otherwise, inner)
            del self._variables[depth:]

    def _range(self, node: Node, pipe: Pipe, dot: "Any") -> None:
        value = self._commands(pipe, dot)
        if isinstance(value, int) and not isinstance(value, bool):
            value = list(range(value))
        if value is not None and not isinstance(value, (dict, list)):
            raise TemplateError(f"template: :1: range can't iterate over {shown(value)}")
        pairs = sorted(value.items()) if isinstance(value, dict) else list(enumerate(value or []))
        if not pairs:
            self.nodes(node.otherwise, dot)
            return
        depth = len(self._variables)
        for key, item in pairs:
            names = pipe.names if len(pipe.names) < 2 else pipe.names[1:]
            self._variables += [(name, item) for name in names]
            if len(pipe.names) == 2:
                self._variables.append((pipe.names[0], key))
            try:
                self.nodes(node.body, item)
            except _Break:
                break
            except _Continue:
                continue
            finally:
                del self._variables[depth:]

    def _pipe(self, pipe: Pipe, dot: "Any") -> "Any":
        value = self._commands(pipe, dot)
        for name in pipe.names:
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _commands(self, pipe: Pipe, dot: "Any") -> "Any":
        value, piped = None, False
        for command in pipe.commands:
            value = self._command(command, dot, [value] if piped else [])
            piped = True
        return value

    def _command(self, command: list[Operand], dot: "Any", last: list["Any"]) -> "Any":
        first, *rest = command
        if first.kind == "constant" and first.value is None and not last:
            raise TemplateError('template: :1:2: executing "" at <nil>: nil is not a command')
        if first.kind == "function":
            if first.value in ("and", "or"):
                return self._shortcut(first.value, rest, dot, last)
            arguments = [self._operand(operand, dot, []) for operand in rest] + last
            source = " ".join(operand.source for operand in command)
            return self._call(first.value, self._functions[first.value], arguments, source)
        arguments = [self._operand(operand, dot, []) for operand in rest] + last
        return self._operand(first, dot, arguments)

    def _shortcut(self, name: str, rest: list[Operand], dot: "Any", last: list["Any"]) -> "Any":
        value = None
        for operand in rest:
            value = self._operand(operand, dot, [])
            if truth(value) == (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, dot: "Any", arguments: list["Any"]) -> "Any":
        if operand.kind == "constant":
            value = operand.value
        elif operand.kind == "dot":
            value = dot
        elif operand.kind == "variable":
            value = self._variable(operand.value)
        elif operand.kind == "pipe":
            value = self._commands(operand.value, dot)
        else:
            return self._call(operand.value, self._functions[operand.value], arguments)
        for index, field in enumerate(operand.fields):
            parent = operand.fields[index - 1] if index else ""
            if parent in _TEXT_MAPS and isinstance(value, dict) and field not in value:
                return Absent()
            value = self._field(operand, value, index)
            if callable(value):
                value = self._call(field, value, arguments if index == len(operand.fields) - 1 else [])
                arguments = []
        if arguments:
            raise TemplateError(f"template: :1: can't give argument to non-function {operand.source}")
        return value

    def _field(self, operand: Operand, value: "Any", index: int) -> "Any":
        field = operand.fields[index]
        column = 2 + sum(len(name) + 1 for name in operand.fields[: index - (not isinstance(value, dict))])
        place = f'template: :1:{column}: executing "" at <{operand.source}>:'
        if isinstance(value, dict):
            if field in value:
                return value[field]
            if self._kind and not index:
                raise TemplateError(f"{place} can't evaluate field {field} in type {self._kind}")
            # Go's own names of fields differ from those on the wire in their case: ID and Id, HostIP and HostIp
            same = [key for key in value if key.lower() == field.lower()]
            if same or field in _OPTIONAL or field in _ZEROS:
                return value[same[0]] if same else _ZEROS.get(field)
            raise TemplateError(f'{place} map has no entry for key "{field}"')
        if value is None:
            raise TemplateError(f"{place} nil has no field {field}")
        raise TemplateError(f"{place} can't evaluate field {field} in type interface {{}}")

    def _call(self, name: str, function: "Callable[..., Any]", arguments: list["Any"], source: str = "") -> "Any":
        try:
            return function(*arguments)
        except TemplateError as error:
            if not str(error).startswith("error calling "):
                raise
            raise TemplateError(f'template: :1:2: executing "" at <{source or name}>: {error}') from None
        except (TypeError, ValueError, LookupError) as error:
            raise TemplateError(f'template: :1:2: executing "" at <{name}>: error calling {name}: {error}') from None

    def _variable(self, name: str) -> "Any":
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise TemplateError(f'template: :1: undefined variable "{name}"')

    def _assign(self, name: str, value: "Any") -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return
        raise TemplateError(f'template: :1: undefined variable "{name}"')


def _null(pipe: Pipe) -> str:
    """The look of a null: that of the type of the field it stands in."""
    fields = pipe.commands[-1][0].fields
    if not fields:
        return "<no value>"
    return "map[]" if fields[-1] in _MAPS else "<nil>" if fields[-1] in _POINTERS else "[]"


def _check_functions(nodes: list[Node], functions: "dict[str, Callable[..., Any]]") -> None:
    """Unknown functions are told before anything is printed."""
    for node in nodes:
        _check_functions(node.body, functions)
        _check_functions(node.otherwise, functions)
        if node.pipe is not None:
            _check_pipe(node.pipe, functions)


def _check_pipe(pipe: Pipe, functions: "dict[str, Callable[..., Any]]") -> None:
    for command in pipe.commands:
        for operand in command:
            if operand.kind == "pipe":
                _check_pipe(operand.value, functions)
            elif operand.kind == "function" and operand.value not in (*functions, "and", "or"):
                raise TemplateError(f'template: :1: function "{operand.value}" not defined')
