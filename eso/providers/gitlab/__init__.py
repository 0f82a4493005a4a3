"""GitLab: CI/CD variables of projects and groups, REST on our own connections."""
