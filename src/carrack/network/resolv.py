"""The host's name servers and search list as text: resolv.conf(5). Pure."""


def values(text: str, keyword: str) -> list[str]:
    """The words after a keyword: of every ``nameserver`` line the first, of the others the last line's."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if words[:1] != [keyword] or len(words) < 2:
            continue
        found = [*found, words[1]] if keyword == "nameserver" else words[1:]
    return found


def servers(text: str) -> list[str]:
    """The addresses after ``nameserver``, each once."""
    return list(dict.fromkeys(values(text, "nameserver")))
