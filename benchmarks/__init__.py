"""Benchmarks: ratios within one run, beside the raw limit of the same server."""
