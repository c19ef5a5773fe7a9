"""Room 4: what people read."""
