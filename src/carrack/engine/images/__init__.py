"""Images: named, loaded, saved, made from containers or from packages, listed and deleted. No registry here."""
