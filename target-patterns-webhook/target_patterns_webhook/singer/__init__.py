"""Singer input: bytes in, checked records and states out."""
