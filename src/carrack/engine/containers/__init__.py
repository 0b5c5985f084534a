"""Containers: their records and life, their streams, files, logs and figures."""
