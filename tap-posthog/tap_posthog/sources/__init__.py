"""Where events come from: PostHog's query endpoint, or the older events list."""
