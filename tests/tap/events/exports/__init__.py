"""Tests of exports as a source of events."""
