"""Singer tap for PostHog events."""
