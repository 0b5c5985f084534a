"""What the engine says about itself and its host: info, disk usage, prune."""
