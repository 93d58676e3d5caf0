"""Everything that is proved about the pair."""
