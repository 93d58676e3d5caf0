"""Tests of what lies between PostHog's rows and the RECORD lines."""
