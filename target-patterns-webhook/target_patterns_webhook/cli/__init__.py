"""The command line: what comes in by files, signals, and how the command ends."""
