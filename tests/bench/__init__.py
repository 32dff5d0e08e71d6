"""The benchmarks run; what they measure is not asked here."""
