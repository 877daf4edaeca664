"""Larder: a transparent caching reverse proxy for APIs."""

__version__ = "0.1.0"
