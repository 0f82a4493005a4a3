"""The kinds of generators, one module each; they do not know each other. Each module exports GENERATOR."""
