"""An nf_tables in memory: takes the same messages, whole or not at all, and can be asked the same questions."""

import copy
import errno
import os
import struct
from collections.abc import Sequence

from carrack.linux.netlink import Message, attribute_list, attributes
from carrack.linux.nft_expressions import IPV4, IPV6, Family
from carrack.linux.nft_messages import Element
from carrack.linux.nftables import BaseChain, Nftables, Rule

Elements = dict[tuple[bytes, bytes, bool], bytes]


def _name(data: bytes) -> str:
    return data.rstrip(b"\0").decode()


class _Table:
    def __init__(self) -> None:
        self.chains: dict[str, BaseChain | None] = {}
        self.rules: list[Rule] = []
        self.maps: dict[str, Elements] = {}


class FakeNftables(Nftables):
    """``tables`` is the kernel's state of IPv4, ``tables6`` of IPv6, open to tests that play the intruder; ``refuse``
    fails the next commit.
    """

    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {}
        self.tables6: dict[str, _Table] = {}
        self.handle = 0
        self.port_id = 1
        self.refuse: int | None = None
        self.commits = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def commit(self, messages: Sequence[Message]) -> None:
        before = copy.deepcopy((self.tables, self.tables6))
        self.commits += 1
        try:
            if self.refuse is not None:
                code, self.refuse = self.refuse, None
                raise OSError(code, os.strerror(code))
            for message in messages:
                self._obey(message)
        except OSError:
            self.tables, self.tables6 = before
            raise

    def _family(self, family: Family) -> dict[str, _Table]:
        return self.tables6 if family is IPV6 else self.tables

    def _obey(self, message: Message) -> None:
        kind, parts = message.type & 0xFF, attributes(message.body[4:])
        tables = self.tables6 if message.body[0] == IPV6.number else self.tables
        table_name = _name(parts[1])
        if kind == 0:
            tables.setdefault(table_name, _Table())
            return
        table = tables.get(table_name)
        if table is None:
            raise OSError(errno.ENOENT, f"{message.what}: {os.strerror(errno.ENOENT)}")
        if kind == 2:
            del tables[table_name]
        elif kind == 3:
            table.chains[_name(parts[3])] = _place(parts) if 4 in parts else None
        elif kind == 6:
            self.handle += 1
            table.rules.append(Rule(_name(parts[2]), self.handle, _name(parts.get(7, b"")[2:]), parts[4]))
        elif kind == 8:
            handle = struct.unpack(">Q", parts[3])[0]
            table.rules = [rule for rule in table.rules if rule.handle != handle]
        elif kind == 9:
            table.maps[_name(parts[2])] = {}
        else:
            self._elements(table.maps[_name(parts[2])], parts[3], message, add=kind == 12)

    def _elements(self, held: Elements, data: bytes, message: Message, *, add: bool) -> None:
        for _, entry in attribute_list(data):
            parts = attributes(entry)
            key, end, value = (attributes(parts.get(kind, b"")).get(1, b"") for kind in (1, 10, 2))
            place = key, end, 3 in parts
            if add and held.get(place, value) != value:
                raise OSError(errno.EEXIST, f"{message.what}: {os.strerror(errno.EEXIST)}")
            if not add and place not in held:
                raise OSError(errno.ENOENT, f"{message.what}: {os.strerror(errno.ENOENT)}")
            if add:
                held[place] = value
            else:
                del held[place]

    def chains(self, family: Family = IPV4) -> list[tuple[str, str]]:
        return [(name, chain) for name, table in self._family(family).items() for chain in table.chains]

    def base_chain(self, table: str, name: str, family: Family = IPV4) -> BaseChain | None:
        return self.base_chains(family).get((table, name))

    def base_chains(self, family: Family = IPV4) -> dict[tuple[str, str], BaseChain]:
        found = self._family(family).items()
        return {(name, chain): how for name, table in found for chain, how in table.chains.items() if how}

    def listing(self, table: str, family: Family = IPV4) -> list[Rule]:
        found = self._family(family)
        return list(found[table].rules) if table in found else []

    def elements(self, table: str, name: str, family: Family = IPV4) -> Elements:
        found = self._family(family)
        if table not in found:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return dict(found[table].maps[name])

    def lacks(self, table: str, name: str, elements: Sequence[Element], family: Family = IPV4) -> list[Element]:
        held = self.elements(table, name, family)
        return [element for element in elements if held.get(element.place) != element.data]


def _place(parts: dict[int, bytes]) -> BaseChain:
    place = attributes(parts[4])
    hook, priority = struct.unpack(">i", place[1])[0], struct.unpack(">i", place[2])[0]
    return _name(parts[7]), hook, priority, int.from_bytes(parts[5], "big")
