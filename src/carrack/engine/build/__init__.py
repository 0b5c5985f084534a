"""Building images: what a Dockerfile asks for, done with what is new and remembered for the next time.

::

    dockerfile (words) ─▶ stages: which are needed ─▶ state: one command after the other ─▶ steps
                                                                                            │
    context, images, stages ─▶ tree: what is copied from ───────────────────────────────────┤
                                                                                            ▼
                    cache: key ─▶ layer        ◀───────────────────────────────────────  solve
"""
