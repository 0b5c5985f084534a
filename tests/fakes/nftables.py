"""An nf_tables in memory: takes the same messages, whole or not at all, and can be asked the same questions."""

import copy
import errno
import os
import struct
from collections.abc import Sequence

from carrack.linux.netlink import Message, attribute_list, attributes
from carrack.linux.nftables import BaseChain, Element, Nftables

Elements = dict[tuple[bytes, bytes], bytes]


def _name(data: bytes) -> str:
    return data.rstrip(b"\0").decode()


class _Table:
    def __init__(self) -> None:
        self.chains: dict[str, BaseChain] = {}
        self.rules: list[tuple[str, str]] = []
        self.maps: dict[str, Elements] = {}


class FakeNftables(Nftables):
    """``tables`` is the kernel's state, open to tests that play the intruder; ``refuse`` fails the next commit."""

    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {}
        self.port_id = 1
        self.refuse: int | None = None
        self.commits = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def commit(self, messages: Sequence[Message]) -> None:
        before = copy.deepcopy(self.tables)
        self.commits += 1
        try:
            if self.refuse is not None:
                code, self.refuse = self.refuse, None
                raise OSError(code, os.strerror(code))
            for message in messages:
                self._obey(message)
        except OSError:
            self.tables = before
            raise

    def _obey(self, message: Message) -> None:
        kind, parts = message.type & 0xFF, attributes(message.body[4:])
        table_name = _name(parts[1])
        if kind == 0:
            self.tables.setdefault(table_name, _Table())
            return
        table = self.tables.get(table_name)
        if table is None:
            raise OSError(errno.ENOENT, f"{message.what}: {os.strerror(errno.ENOENT)}")
        if kind == 2:
            del self.tables[table_name]
        elif kind == 3:
            place = attributes(parts[4])
            hook, priority = struct.unpack(">i", place[1])[0], struct.unpack(">i", place[2])[0]
            table.chains[_name(parts[3])] = (_name(parts[7]), hook, priority, int.from_bytes(parts[5], "big"))
        elif kind == 6:
            table.rules.append((_name(parts[2]), _name(parts[7][2:])))
        elif kind == 9:
            table.maps[_name(parts[2])] = {}
        else:
            self._elements(table.maps[_name(parts[2])], parts[3], message, add=kind == 12)

    def _elements(self, held: Elements, data: bytes, message: Message, *, add: bool) -> None:
        for _, entry in attribute_list(data):
            parts = attributes(entry)
            key, end, value = (attributes(parts.get(kind, b"")).get(1, b"") for kind in (1, 10, 2))
            if add and held.get((key, end), value) != value:
                raise OSError(errno.EEXIST, f"{message.what}: {os.strerror(errno.EEXIST)}")
            if not add and (key, end) not in held:
                raise OSError(errno.ENOENT, f"{message.what}: {os.strerror(errno.ENOENT)}")
            if add:
                held[key, end] = value
            else:
                del held[key, end]

    def has_table(self, table: str) -> bool:
        return table in self.tables

    def base_chains(self) -> dict[tuple[str, str], BaseChain]:
        return {(name, chain): how for name, table in self.tables.items() for chain, how in table.chains.items()}

    def rules(self, table: str) -> list[tuple[str, str]]:
        return list(self.tables[table].rules) if table in self.tables else []

    def elements(self, table: str, name: str) -> Elements:
        if table not in self.tables:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return dict(self.tables[table].maps[name])

    def lacks(self, table: str, name: str, elements: Sequence[Element]) -> list[Element]:
        held = self.elements(table, name)
        return [element for element in elements if held.get((element.key, element.key_end or b"")) != element.data]
