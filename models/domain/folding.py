"""Caseless text search: the same folding for titles and for search texts, on every database.

Rules: canonical caseless matching (D145 in section 3.13 of the Unicode Standard) with full case folding, so that final
sigma equals sigma and ß equals ss. In addition, the dotted and the dotless i of Turkish equal i: case mappings of other
languages turn one into the other.
"""

import re
import unicodedata

# No title and no search text holds a control character.
_SEPARATOR = "\n"
_DOTTED_I = re.compile("i\u0307")


def folded_title(title: str) -> str:
    """Return the text that is stored for a title, in which `search_patterns` of a part of the title are substrings."""
    return _SEPARATOR.join(search_patterns(title))


def search_patterns(text: str) -> list[str]:
    """Return one or two foldings of a text; it is a part of a title if either is a substring of the title's folding.

    The first folding keeps the order of characters, so that it finds every part of a title. The second one reorders
    combining marks, so that it finds canonically equivalent texts. They rarely differ.
    """
    by_character = _without_dots("".join(_folded(character) for character in text))
    return list(dict.fromkeys((by_character, _without_dots(_folded(text)))))


def _folded(text: str) -> str:
    """Return NFD(toCasefold(NFD(text)))."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def _without_dots(folded: str) -> str:
    return folded if folded.isascii() else _DOTTED_I.sub("i", folded.replace("ı", "i"))
