"""Layers made into root file systems, by one of several drivers behind one protocol."""
