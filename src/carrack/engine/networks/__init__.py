"""The networks that users see: names, identities and documents; how they work is below, in `carrack.network`."""
