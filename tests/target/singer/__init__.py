"""Tests of bytes in, checked records out."""
