"""Measurements that the docstrings lean on; run them again before you believe them."""
