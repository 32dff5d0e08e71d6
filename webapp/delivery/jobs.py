"""Tickets, as jobs."""
