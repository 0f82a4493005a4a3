"""Makes values: passwords, keys, tokens of backends; one module of `kinds` for each kind.

Modules marked `~` wait. contract.py what a generator is · registry.py ~ kind → its code · resolve.py ~ reference →
object · states.py ~ what a generator left behind, as GeneratorState objects · front.py ~ the door of the rooms: values
that are made once, and kept or cleaned up. Nothing is cached: each call makes fresh values.
"""
