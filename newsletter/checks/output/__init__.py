"""What is wrong with a message as it leaves? Rules on its final bytes; codes NL700 to NL799."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.checks.output.message import check_html, check_message
    from newsletter.checks.output.origin import Origin

__all__ = ["Origin", "check_html", "check_message"]


def __getattr__(name: str) -> Any:
    # Findings kept from an earlier run need neither a parser of HTML nor one of mail.
    if name in {"check_message", "check_html"}:
        from newsletter.checks.output import message

        return getattr(message, name)
    if name == "Origin":
        from newsletter.checks.output.origin import Origin

        return Origin
    raise AttributeError(name)
