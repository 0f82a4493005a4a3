"""senhasegura DSM: REST on our own connections, the secrets of an application."""
