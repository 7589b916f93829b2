"""Which typeface do the pictures we draw ourselves use? One that is shipped, so that they look alike on every machine.

Inter 3.019 (SIL Open Font License 1.1, see OFL.txt) for Latin, Greek and Cyrillic; other scripts show its empty box.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FAMILY: Final = "Inter"
REGULAR: Final = Path(__file__).with_name("Inter-Regular.otf")  # weight 400
# What is in none of the blocks that the font was cut down to; within them it may still lack a rare one.
FOREIGN: Final = re.compile(
    "[^\\s\u0020-\u024f\u02bb-\u0328\u0370-\u052f\u1e00-\u1eff\u2010-\u203a\u2044\u2070-\u20bf"
    "\u2113\u2116\u2122\u2190-\u21d5\u2202-\u2265\u2500-\u2503\u25a0-\u25cf\u2713\u2717]"
)
SEMI_BOLD: Final = Path(__file__).with_name("Inter-SemiBold.otf")  # weight 600
