"""Patterns' side of the sandbox: the webhook, the table behind it, the page."""
