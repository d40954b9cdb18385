"""The canonical layout of a policy: `layout.format_text`. Tokens are printed as the author wrote them; only the space between them is ours."""
