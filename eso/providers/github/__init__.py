"""GitHub: Actions secrets of organizations, repositories and environments, which can be written and not read."""
