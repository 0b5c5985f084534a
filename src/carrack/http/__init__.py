"""HTTP on the outside wire: the server's face, hijacked streams, TLS, and the small client of the command line."""
