"""PostHog's REST lists of settings objects."""
