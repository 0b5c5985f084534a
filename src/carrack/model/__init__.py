"""The words of the Docker Engine API: documents under Docker's own names, their rules, and the texts users type. Pure."""
