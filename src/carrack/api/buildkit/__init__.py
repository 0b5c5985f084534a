"""BuildKit's gRPC face, as far as its built-in Dockerfile frontend needs it: what buildx and Compose speak.

::

    POST /grpc      the client calls us: Control (solve, status, prune, …) and LLBBridge (the client's own build loop)
    POST /session   we call the client: files of its contexts, secrets, ssh agents, credentials; where results go
"""
