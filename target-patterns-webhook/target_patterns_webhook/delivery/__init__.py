"""At-least-once delivery of records, and of the states behind them."""
