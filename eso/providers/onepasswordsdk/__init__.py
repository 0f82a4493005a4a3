"""1Password service accounts: the vendor's library, which alone speaks their protocol, on a thread of its own."""
