"""The names of containers: a resolver on 127.0.0.11 in every sandbox, and the one process that answers there."""
