"""The command ``carrack``: verbs, flags, tables and terminals over :mod:`carrack.client`."""
