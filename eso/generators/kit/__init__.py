"""What several kinds of generators share: Secrets that they refer to, HTTP, claims of a token. It knows none of
them."""
