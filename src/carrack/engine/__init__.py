"""The services of the engine: containers, images, volumes, networks, events. Knows no HTTP."""
