"""The words of the Open Container Initiative: digests, manifests, image configs, the runtime spec. Pure, no I/O."""
