"""The JSON API for a site of one's own: ask people to join, look them up, tag them, take them off."""

from newsletter.web.api.routes import routes

__all__ = ["routes"]
