"""Benchmarks on the wall clock, each beside its ceiling from the same run."""
