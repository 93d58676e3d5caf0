"""Singer target for the Patterns webhook, or any webhook that takes JSON."""
