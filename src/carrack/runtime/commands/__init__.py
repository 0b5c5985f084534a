"""The verbs of the carrack-runtime command, grouped by what they touch."""
