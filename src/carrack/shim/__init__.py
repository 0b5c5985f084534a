"""The process that stays beside a container: its parent, its streams, its log, its exit code."""
