"""
The address parser: 「緑ケ丘一丁目２番３号」, "1-2-3" and １－２－３ are the same place.

An address is its town and up to three numbers (丁目, 番地, 号). The building and the room are left out
because half of the holders leave them out; so two flats of one building have one key, and no rule may
link on the address alone. A text without a number (masked for protection, 不詳) has no key.
"""

import re

from workbench.data.linking.normalise import HYPHENS, glyphs, plain

DIGITS = {character: value for value, character in enumerate("〇一二三四五六七八九")}
UNIT = "丁目|番地の?|番|号|の|-"
NUMERAL = "〇一二三四五六七八九十"
# 番, の and - count only before another number: 三番町 and 二の宮 are names of towns.
COUNTED = re.compile(rf"([{NUMERAL}]+)(?=丁目|番地|号|番(?:[\d{NUMERAL}の]|$)|[-の][\d{NUMERAL}]|$)")
# A number after a space is a room: 「1-2-3 201」 does not end in 3201.
ROOM_APART = re.compile(r"(?<=\d)\s+(?=\d)")
# The county and city are left out by half of the holders; town names are unique within a city.
PREFIX = re.compile(r"^(?:〒?\d{3}-?\d{4})?(?:\S{2,3}[都道府県])?(?:[^\d市]{1,6}市)?(?:大字|字)?")
PLACE = re.compile(rf"(\D+?)(?:大字|字)?((?:\d+(?:{UNIT})*){{1,3}})")


def address(text: str) -> str | None:
    """The key of the place, as 町名1-2-3."""
    written = HYPHENS.sub("-", glyphs(re.sub(r"\s+", "", ROOM_APART.sub("/", plain(text)))))
    written = COUNTED.sub(lambda found: str(counted(found[1])), PREFIX.sub("", written))
    found = PLACE.match(written)
    if not found:
        return None
    return found[1].replace("ヶ", "ケ") + "-".join(
        str(int(number)) for number in re.findall(r"\d+", found[2])
    )


def counted(text: str) -> int:
    """A number below one hundred written in kanji: 二十三 is 23."""
    tens, _, ones = text.rpartition("十")
    if "十" not in text:
        return int("".join(str(DIGITS[digit]) for digit in text))
    return 10 * (DIGITS[tens[-1]] if tens else 1) + (DIGITS[ones] if ones else 0)
