"""aufruf: find calls to action in election-campaign posts, night after night."""

__version__ = "0.1.0"
