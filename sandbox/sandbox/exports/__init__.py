"""PostHog batch exports: files in its layout, with its defects."""
