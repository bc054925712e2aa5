"""
The scoring runtime: verify, check, recode, score, explain.

Small on purpose: numpy, pyarrow, jsonschema, rfc8785, securesystemslib and nothing else, so that the
office that scores installs only what it needs.
"""
