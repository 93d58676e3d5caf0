"""How events are read: every source gives batches, each with a bookmark."""
