"""Tests of the tap's settings."""
