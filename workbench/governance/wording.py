"""What people write of themselves and of their reasons: one line that reads as it is stored."""

LONGEST = 1000
# Written in Japanese text as the blank is in others; Python counts it among what cannot be printed.
WIDE_BLANK = "\u3000"


def is_plain(text: str) -> bool:
    """
    Whether `text` is words on one line, at most 1,000 characters.

    No control, direction-changing, invisible or unassigned character: on a reviewer's screen such text
    reads otherwise than it is stored and signed.
    """
    return bool(text.strip()) and len(text) <= LONGEST and text.replace(WIDE_BLANK, " ").isprintable()
