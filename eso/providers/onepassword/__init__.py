"""1Password Connect: REST on our own connections to the Connect server that a store names."""
