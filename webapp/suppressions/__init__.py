"""Whom never: addresses, domains and phones that we do not write to."""
