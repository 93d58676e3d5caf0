"""The streams, each a declaration."""
