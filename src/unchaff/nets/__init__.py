"""Reference networks, and where to read and prune in any network."""
