"""RFC 7208: who may send with a domain in the envelope? Records read, evaluated for one address, and measured as a whole."""
