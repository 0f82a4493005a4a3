"""Change events from backends: who may send them, what they say, and the server that takes them in."""
