"""Tests of what is true of every request to PostHog."""
