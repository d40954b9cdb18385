"""The version of the package, and of the engine that stands in every decision."""
__version__ = "0.1.0"
