"""The daemon's API as functions, one module per noun: what the command line and Compose speak through."""
