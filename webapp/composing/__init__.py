"""Values to MIME bytes, as pure functions."""
