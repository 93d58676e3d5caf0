"""Tests of the tap's command."""
