"""Tests of one attempt over HTTP."""
