"""What HogQL shows beside the events: tables, read by their key and resumed."""
