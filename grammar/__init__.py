"""The grammar of the language and the schema of built-in facts, as package data."""

LANGUAGE_VERSION = 1
