"""Speaking with registries of images: the OCI distribution protocol from the client's side."""
