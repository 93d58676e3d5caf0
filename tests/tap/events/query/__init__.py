"""Tests of the source of events that can count."""
