"""The settings: as users meet them, and as the code sees them."""
