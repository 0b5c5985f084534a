"""Where containers' logs go: the files that the shim writes itself, and the process that speaks to log servers."""
