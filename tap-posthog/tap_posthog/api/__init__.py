"""PostHog's API: one client, with its limits, waits and errors."""
