"""Mailgun: its form of an issue, its answers, its reports."""

from newsletter.providers.mailgun.provider import MailgunProvider

__all__ = ["MailgunProvider"]
