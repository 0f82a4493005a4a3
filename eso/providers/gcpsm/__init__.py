"""Google Cloud Secret Manager: REST on our own connections; google-auth signs, and makes no request."""
