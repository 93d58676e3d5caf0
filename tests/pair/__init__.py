"""Tests: pair."""
