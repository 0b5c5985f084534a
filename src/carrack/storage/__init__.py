"""Layers and snapshots on disk: from the bytes of an image to a mountable file system, and back."""
