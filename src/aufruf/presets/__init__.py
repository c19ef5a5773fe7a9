"""Short overlays on a classifier file, one TOML each."""
