"""What stands between the commands and the rest: one newsletter's folder, its settings, its store and its provider."""

from newsletter.app.files import shipped
from newsletter.app.workspace import Workspace, open_workspace

__all__ = ["Workspace", "open_workspace", "shipped"]
