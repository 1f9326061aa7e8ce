"""Channel providers: small classes behind one protocol, found by entry point."""
