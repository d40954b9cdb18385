"""The language server: what an editor asks while somebody writes a policy.

`server` alone knows the protocol, and `protocol` its shapes; everything else is functions over a `Document`, in offsets.
"""
