"""From `newsletter.toml` (or `[tool.newsletter]`) and the environment to `Settings`.

Nothing below this package imports it: settings reach the other parts as arguments.
"""

from newsletter.config.asking import AskSettings
from newsletter.config.content import ChecksSettings, InterviewSettings, SiteSettings, ThemeSettings
from newsletter.config.delivery import ProviderSettings, SendingSettings
from newsletter.config.environment import Secrets
from newsletter.config.load import CONFIG_NAME, find_home, load_settings, settings_from_table
from newsletter.config.readers import BouncesSettings, PrivacySettings, TrackingSettings, WebSettings
from newsletter.config.settings import Settings

__all__ = [
    "CONFIG_NAME",
    "AskSettings",
    "BouncesSettings",
    "ChecksSettings",
    "InterviewSettings",
    "PrivacySettings",
    "ProviderSettings",
    "Secrets",
    "SendingSettings",
    "Settings",
    "SiteSettings",
    "ThemeSettings",
    "TrackingSettings",
    "WebSettings",
    "find_home",
    "load_settings",
    "settings_from_table",
]
