"""PostHog and Patterns on one machine."""
