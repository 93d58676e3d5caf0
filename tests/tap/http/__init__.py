"""Tests of how the tap speaks HTTP."""
