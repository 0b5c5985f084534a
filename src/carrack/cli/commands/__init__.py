"""One module per verb; small verbs of a noun share one. :mod:`carrack.cli.verbs` names what is in them."""
