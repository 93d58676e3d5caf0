"""Tests of the streams beside the events."""
