"""SparkPost (sparkpost.com): one message a call, and its events to ask afterwards."""

from newsletter.providers.sparkpost.adapter import SparkPostProvider

__all__ = ["SparkPostProvider"]
