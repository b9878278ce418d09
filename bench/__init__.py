"""Benchmarks: each module measures one subject and gives its figures (see bench/README.md)."""
