"""Tests of delivery at least once."""
