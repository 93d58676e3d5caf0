"""Exports that PostHog makes when it is asked: by time of ingestion, into files."""
