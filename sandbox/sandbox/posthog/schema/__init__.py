"""PostHog's tables besides `events`: what is stored, and what HogQL shows of it."""
