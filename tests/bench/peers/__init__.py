"""The same job done the usual way, and Airbyte's connector."""
