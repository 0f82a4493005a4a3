"""IBM Cloud Secrets Manager: REST on our own connections."""
