"""The language of ``--format`` and of log tags: the part of Go's text/template that users of these commands write.

``parse`` turns text into nodes, :mod:`carrack.model.gotemplate.evaluate` runs them. Fields, variables, pipes,
parentheses, ``if``/``else if``/``with``/``range``/``break``/``continue``, trimming and comments are there;
``define``, ``block`` and ``template`` are refused by name. Error texts begin as Go's: ``template: :1: …``.
"""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_PUNCTUATION = ("|", "(", ")", ",", ":=", "=")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"


class TemplateError(InvalidArgument):
    """The template's text is malformed, or asks for something that is not there."""


class Operand:
    """A value in the making: ``kind`` is dot, variable, constant, function or pipe; ``fields`` are looked up in it."""

    __slots__ = ("fields", "kind", "source", "value")

    def __init__(self, kind: str, value: "Any", fields: tuple[str, ...], source: str) -> None:
        self.kind = kind
        self.value = value
        self.fields = fields
        self.source = source


class Pipe:
    """Commands (operands in a row) whose results feed each other; ``names`` are the variables it declares."""

    __slots__ = ("assigns", "commands", "names")

    def __init__(self, names: list[str], assigns: bool, commands: list[list[Operand]]) -> None:
        self.names = names
        self.assigns = assigns
        self.commands = commands


class Node:
    """``kind``: text, action, if, with, range, break or continue."""

    __slots__ = ("body", "kind", "otherwise", "pipe", "text")

    def __init__(self, kind: str, text: str = "", pipe: Pipe | None = None) -> None:
        self.kind = kind
        self.text = text
        self.pipe = pipe
        self.body: list[Node] = []
        self.otherwise: list[Node] = []


def parse(text: str) -> list[Node]:
    """The nodes of a template; :class:`TemplateError` says what is wrong in which line."""
    parts = _split(text)
    nodes, end = _block(parts, 0, "")
    if end < len(parts):
        raise TemplateError(f"template: :1: unexpected {{{{{parts[end][1]}}}}}")
    return nodes


def _split(text: str) -> list[tuple[str, str]]:
    """(``text`` or ``action``, its inside), with trimming done and comments gone."""
    parts: list[tuple[str, str]] = []
    position, trim = 0, False
    while True:
        start = text.find("{{", position)
        plain = text[position:] if start < 0 else text[position:start]
        plain = plain.lstrip() if trim else plain
        if start < 0:
            parts.append(("text", plain))
            return parts
        end = _action_end(text, start + 2)
        inside = text[start + 2 : end]
        if inside[:1] == "-" and inside[1:2].isspace():
            plain, inside = plain.rstrip(), inside[1:]
        trim = inside[-1:] == "-" and inside[-2:-1].isspace()
        inside = (inside[:-1] if trim else inside).strip()
        parts.append(("text", plain))
        if not (inside.startswith("/*") and inside.endswith("*/")):
            parts.append(("action", inside))
        position = end + 2


def _action_end(text: str, position: int) -> int:
    quote = ""
    if text[position:].lstrip("- ").startswith("/*"):
        position = max(text.find("*/", position), position)
    while position < len(text):
        character = text[position]
        if quote:
            position += character == "\\" and quote != "`"
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
        elif text.startswith("}}", position):
            return position
        position += 1
    raise TemplateError("template: :1: unterminated quoted string" if quote else "template: :1: unclosed action")


def _block(parts: list[tuple[str, str]], position: int, opener: str) -> tuple[list[Node], int]:
    """Nodes up to the end of the text or, within a block, up to its ``end`` or ``else`` (whose index is given)."""
    nodes: list[Node] = []
    while position < len(parts):
        kind, inside = parts[position]
        if kind == "text":
            if inside:
                nodes.append(Node("text", inside))
            position += 1
            continue
        word = inside.partition(" ")[0]
        if word in ("end", "else"):
            return nodes, position
        if word in ("if", "with", "range"):
            node, position = _control(parts, position, word, inside[len(word) :])
            nodes.append(node)
            continue
        nodes.append(_simple(word, inside))
        position += 1
    if opener:
        raise TemplateError("template: :1: unexpected EOF")
    return nodes, position


def _simple(word: str, inside: str) -> Node:
    if word in ("break", "continue"):
        return Node(word)
    if word in ("define", "block", "template"):
        raise TemplateError(f"template: :1: {{{{{word}}}}} is not supported by this command")
    if not inside:
        raise TemplateError("template: :1: missing value for command")
    return Node("action", pipe=_Reader(inside).pipe())


def _control(parts: list[tuple[str, str]], position: int, word: str, rest: str) -> tuple[Node, int]:
    if not rest.strip():
        raise TemplateError(f"template: :1: missing value for {word}")
    node = Node(word, pipe=_Reader(rest).pipe(in_range=word == "range"))
    node.body, position = _block(parts, position + 1, word)
    closing = parts[position][1]
    if closing == "end":
        return node, position + 1
    follow = closing[4:].strip()
    if follow:
        inner = follow.partition(" ")[0]
        if inner not in ("if", "with"):
            raise TemplateError(f"template: :1: unexpected {{{{{closing}}}}}")
        nested, position = _control(parts, position, inner, follow[len(inner) :])
        node.otherwise = [nested]
        return node, position
    node.otherwise, position = _block(parts, position + 1, word)
    if parts[position][1] != "end":
        raise TemplateError(f"template: :1: unexpected {{{{{parts[position][1]}}}}}")
    return node, position + 1


class _Reader:
    """Reads one action from its tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._position = 0

    def pipe(self, *, in_range: bool = False, closing: str = "") -> Pipe:
        names, assigns = ([], False) if closing else self._declaration(in_range)
        commands: list[list[Operand]] = []
        current: list[Operand] = []
        while (token := self._next()) != closing:
            if token == "":
                raise TemplateError("template: :1: unclosed left paren")
            if token == "|":
                commands.append(self._nonempty(current))
                current = []
            else:
                current.append(self._operand(token))
        commands.append(self._nonempty(current))
        return Pipe(names, assigns, commands)

    def _next(self) -> str:
        token = self._tokens[self._position] if self._position < len(self._tokens) else ""
        self._position += 1
        return token

    def _nonempty(self, command: list[Operand]) -> list[Operand]:
        if not command:
            raise TemplateError(f'template: :1: missing value for command in "{self._text.strip()}"')
        return command

    def _declaration(self, in_range: bool) -> tuple[list[str], bool]:
        """``$x :=``, ``$x =`` or, in a range, ``$i, $x :=``."""
        tokens = self._tokens
        for count in (1, 2) if in_range else (1,):
            size = 2 * count - 1
            names = tokens[0:size:2]
            if len(tokens) > size and tokens[size] in (":=", "=") and all(name.startswith("$") for name in names):
                self._position = size + 1
                return names, tokens[size] == "="
        return [], False

    def _operand(self, token: str) -> Operand:
        if token == "(":
            start = self._position
            pipe = self.pipe(closing=")")
            source = " ".join(self._tokens[start : self._position - 1])
            fields: tuple[str, ...] = ()
            if self._position < len(self._tokens) and self._tokens[self._position].startswith("\0."):
                fields = tuple(self._next()[2:].split("."))
            return Operand("pipe", pipe, fields, source)
        if token.startswith("\0."):
            token = token[1:]
        if token in _PUNCTUATION:
            raise TemplateError(f'template: :1: unexpected "{token}" in operand')
        if token[0] in "\"'`":
            return Operand("constant", _unquoted(token), (), token)
        if token == ".":
            return Operand("dot", None, (), token)
        if token[0] == ".":
            return Operand("dot", None, tuple(token[1:].split(".")), token)
        if token[0] == "$":
            name, *rest = token.split(".")
            return Operand("variable", name, tuple(rest), token)
        return _word(token)


def _word(token: str) -> Operand:
    constants = {"true": True, "false": False, "nil": None}
    if token in constants:
        return Operand("constant", constants[token], (), token)
    if token[0].isdigit() or token[0] in "+-":
        try:
            return Operand("constant", int(token, 0), (), token)
        except ValueError:
            try:
                return Operand("constant", float(token), (), token)
            except ValueError:
                raise TemplateError(f'template: :1: bad number syntax: "{token}"') from None
    return Operand("function", token, (), token)


def _tokens(text: str) -> list[str]:
    """Words of an action. A field right behind ``)`` is marked with a zero byte: it belongs to the pipe."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character.isspace():
            position += 1
            continue
        if character in "\"'`":
            end = _string_end(text, position)
        elif text.startswith(":=", position):
            end = position + 2
        elif character in "|(),=":
            end = position + 1
        else:
            end = position + 1
            while end < len(text) and (text[end] in _LETTERS or text[end] in ".$" or ord(text[end]) > 127):
                end += 1
            if character not in _LETTERS and character not in ".$+-" and ord(character) < 128:
                raise TemplateError(f'template: :1: unexpected "{character}" in command')
        glued = character == "." and position and text[position - 1] == ")"
        tokens.append(("\0" if glued else "") + text[position:end])
        position = end
    return tokens


def _string_end(text: str, start: int) -> int:
    position = start + 1
    while text[position] != text[start]:
        position += 2 if text[position] == "\\" and text[start] != "`" else 1
    return position + 1


def _unquoted(token: str) -> "str | int":
    if token[0] == "`":
        return token[1:-1]
    result, inner, position = "", token[1:-1], 0
    while position < len(inner):
        if inner[position] != "\\":
            result += inner[position]
            position += 1
            continue
        escape = inner[position + 1 : position + 2]
        width = {"x": 2, "u": 4, "U": 8}.get(escape)
        if width:
            result += chr(int(inner[position + 2 : position + 2 + width], 16))
            position += 2 + width
        elif escape in _ESCAPES:
            result += _ESCAPES[escape]
            position += 2
        else:
            raise TemplateError("template: :1: invalid escape in a quoted string")
    return ord(result) if token[0] == "'" and len(result) == 1 else result
