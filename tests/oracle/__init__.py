"""Our template engine against Go's own: random templates, both sides, byte for byte."""
