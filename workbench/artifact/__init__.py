"""
Bundles: a folder with a manifest of digests, signed on admission, kept under its own digest.

Small on purpose, like the scoring stage that needs it: rfc8785 and securesystemslib and nothing else.
"""
