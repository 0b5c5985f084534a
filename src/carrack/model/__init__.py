"""The words of the Docker Engine API: documents under Docker's names, their rules, and the texts users type."""
