"""Imports, as jobs."""
