"""PostHog's query endpoint: the source of events that can count."""
