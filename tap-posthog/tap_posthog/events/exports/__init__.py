"""What PostHog exported: windows of files as a source of events."""
