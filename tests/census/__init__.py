"""Docker's whole surface as rows, and what of it is seen to work: `python -m tests.census` writes the page of it."""
