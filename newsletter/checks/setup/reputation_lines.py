"""Did readers and their servers want the last issue? Complaints and dead addresses, against what Gmail and Yahoo put up with."""

from __future__ import annotations

from functools import partial
from typing import Final

from newsletter.checks.setup.line import Area, Line, Status

# Gmail's and Yahoo's guidelines for senders, in percent of what was delivered.
_COMPLAINTS_HIGH: Final = 0.1
_COMPLAINTS_TOO_HIGH: Final = 0.3
# Addresses that aren't there: beyond this a list looks bought.
_DEAD_HIGH: Final = 1.0
# One or two say nothing about a list, however few read it.
_FEWEST: Final = 3


def judge_reputation(issue: str, accepted: int, complained: int, dead: int) -> Line:
    """What the reports about one issue mean for the next.

    Args:
        issue: its slug.
        accepted: whom the provider took it for.
        complained: who reported it as spam.
        dead: whose mailbox isn't there.
    """
    made = partial(Line, "provider.reputation", Area.PROVIDER)
    asked = f"reports about the last issue, {issue}"
    spam, gone = (100 * count / accepted if accepted else 0.0 for count in (complained, dead))
    if complained >= _FEWEST and spam >= _COMPLAINTS_HIGH:
        said = f"{spam:.2f} % reported it as spam ({complained:,} of {accepted:,})"
        limit = (
            f"Gmail and Yahoo turn mail away from {_COMPLAINTS_TOO_HIGH} % on"
            if spam >= _COMPLAINTS_TOO_HIGH
            else f"Gmail asks for less than {_COMPLAINTS_HIGH} %"
        )
        return made(
            Status.WARN,
            asked,
            said,
            f"{limit}: write to who asked for it, and show the way out early in the mail",
        )
    if dead >= _FEWEST and gone >= _DEAD_HIGH:
        said = f"{gone:.2f} % of the addresses aren't there ({dead:,} of {accepted:,})"
        return made(
            Status.WARN, asked, said, "see where they came from; double opt-in keeps them off the list"
        )
    return made(Status.OK, asked, f"{spam:.2f} % complaints, {gone:.2f} % dead addresses")
