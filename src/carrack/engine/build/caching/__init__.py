"""Build caches that travel: what a build has done, written down as BuildKit writes it, and read back.

::

    step ─▶ operations: how BuildKit names it ─▶ graph: nodes, each with what it was made of
                                                   │
               config: the document of a cache ◀───┴───▶ matching: which record of a cache is this node
                                                   │
    exporting: layers and config, to a registry, to the client's disk, into an image   importing: the same, back
"""
