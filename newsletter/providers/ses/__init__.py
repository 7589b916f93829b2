"""Amazon SES v2 (aws.amazon.com/ses): an issue in one template, fifty recipients a call, signed with Signature Version 4."""

from newsletter.providers.ses.adapter import SesProvider

__all__ = ["SesProvider"]
