"""Tests of the target's settings."""
