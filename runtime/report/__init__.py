"""Explanations for people: as text, Markdown and HTML. One view of a decision, and a way to draw it for each of them."""
