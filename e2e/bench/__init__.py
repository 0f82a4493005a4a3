"""Benchmarks on real parts, side by side in one run: what counts is the ratio to a bare writer and the requests, never
an absolute time."""
