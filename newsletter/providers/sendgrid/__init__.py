"""SendGrid (twilio.com/sendgrid): a thousand readers a call, and its Event Webhook."""

from newsletter.providers.sendgrid.adapter import SendGridProvider

__all__ = ["SendGridProvider"]
