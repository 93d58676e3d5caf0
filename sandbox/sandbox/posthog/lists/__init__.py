"""PostHog's REST lists: settings objects, definitions, what a key may do."""
