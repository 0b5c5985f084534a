"""The Docker Engine API as an HTTP face over the engine's services: parse, call, render."""
