"""Checks and launches, as jobs."""
