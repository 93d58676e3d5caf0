"""PostHog's side: its query endpoint, events list and capture, on a real ClickHouse."""
