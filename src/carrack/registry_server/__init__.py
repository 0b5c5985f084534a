"""The registry server: OCI distribution 1.1 over the content store, by threads and blocking sockets."""
