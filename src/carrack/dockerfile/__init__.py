"""The Dockerfile language: text to typed commands. Words only: no file is read here and nothing is run."""
