"""Trees of files that a build copies from, whatever they lie in, and layers made straight out of them."""
