"""Which typeface do the pictures we draw ourselves use? One that is shipped, so that they look alike on every machine.

Inter 3.019 (SIL Open Font License 1.1, see OFL.txt) for Latin, Greek and Cyrillic; other scripts show its empty box.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FAMILY: Final = "Inter"
REGULAR: Final = Path(__file__).with_name("Inter-Regular.otf")  # weight 400
SEMI_BOLD: Final = Path(__file__).with_name("Inter-SemiBold.otf")  # weight 600
