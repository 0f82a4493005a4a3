"""ngrok: secrets of vaults, which can be written and not read."""
