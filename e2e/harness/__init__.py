"""Real parts for tests, demos and benchmarks: a control plane, OpenBao and the operator as processes on loopback.

Everything here is synchronous, so that pytest fixtures and scripts use it the same way. Children die with the parent.
"""
