"""Policies in this folder are programs that tests read; their `test` blocks are not collected by themselves."""

collect_ignore_glob = ["*.cap"]
