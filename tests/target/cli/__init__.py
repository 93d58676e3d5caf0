"""Tests of the target's command."""
