"""The note on interfaces of ours (``ip link`` shows it as their alias), by which a crashed daemon's are known again."""

_OURS = "carrack"


def mark_of(table: str, network_id: str) -> str:
    """The note of a network's interface; ``table`` tells the daemons of one host apart.

    >>> mark_of("carrack", "ab12")
    'carrack carrack ab12'
    """
    return f"{_OURS} {table} {network_id}"


def network_of(mark: str, table: str) -> str:
    """The network whose interface carries the note; empty when it is none of this daemon's."""
    words = mark.split(" ")
    return words[2] if len(words) == 3 and words[:2] == [_OURS, table] else ""
