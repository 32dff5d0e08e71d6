"""What every feature stands on: clock, database, errors, forms, queue, secrets. It knows no feature."""
