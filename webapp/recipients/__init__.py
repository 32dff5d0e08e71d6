"""Whom: recipient tables, their typed columns and rows, and the import of files."""
