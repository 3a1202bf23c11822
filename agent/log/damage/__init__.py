"""A log that is damaged: kept whole, and what can still be read of it."""
