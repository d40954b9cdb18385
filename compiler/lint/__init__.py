"""`caplex lint`: what is legal and probably not meant. Risk first, then what a reader would thank the author for.

A lint is a small function over one checked file (`model`). `registry` lists all of them, `run` puts them to files,
`comments` and `config` say what is not wanted, `mending` applies what they offer to mend, `formats` tells programs.
"""
