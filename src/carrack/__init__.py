"""Carrack: a container engine that speaks Docker."""

__version__ = "0.1.0"
