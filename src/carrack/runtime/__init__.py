"""Obeys an OCI runtime spec: namespaces, root filesystem, privileges, cgroups, and the program's start."""
