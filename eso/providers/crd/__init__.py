"""Objects of any kind in a Kubernetes cluster, read through its API server."""
