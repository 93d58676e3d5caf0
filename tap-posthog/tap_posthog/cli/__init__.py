"""The command line: what comes in by files, and how the command ends."""
