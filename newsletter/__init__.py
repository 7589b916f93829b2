"""Write a weekly email as Markdown, preview it, send it, and own the list."""

__version__ = "0.1.0"
