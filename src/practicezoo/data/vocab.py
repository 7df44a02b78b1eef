"""Characters to ids and back."""

import unicodedata
from collections.abc import Iterable

import torch
from torch import Tensor

from practicezoo.arguments import shorten

__all__ = ["CharVocab"]

PADDING = "\0"
ASCII = "".join(map(chr, range(1, 128)))  # all but NUL
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Unicode has no decomposition for these letters and marks, though people read them as plain ones.
PLAIN = str.maketrans(
    {
        "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "ß": "ss", "ẞ": "SS",
        "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th",
        "Ħ": "H", "ħ": "h", "Ŧ": "T", "ŧ": "t", "ı": "i", "ĸ": "k", "Ŋ": "N", "ŋ": "n",
        "‘": "'", "’": "'", "ʻ": "'", "ʼ": "'", "ʾ": "'", "ʿ": "'", "`": "'", "´": "'",
        "‐": "-", "‑": "-", "–": "-", "—": "-", "\N{NO-BREAK SPACE}": " ",
    }
)  # fmt: skip


class CharVocab:
    """A vocabulary of characters: text to ids and back, with id 0 kept for padding.

    A character outside the vocabulary is reduced to its plain form ("Á" to "A", "ł" to "l", "ß" to
    "ss") by Unicode normalisation; if that is not in the vocabulary either, it is an error, or the
    unknown id where there is one.

    Args:
        characters: the characters, in the order of their ids from 1 on. Default: ASCII, where a
            character's id is its code point (128 ids).
        unknown: whether the last id stands for every character outside the vocabulary.

    Attributes:
        padding_idx: 0, the id of padding. No text encodes to it: NUL, ASCII's character 0, is refused.
        unknown_idx: the id of unknown characters, or None.

    Raises:
        ValueError: if ``characters`` repeats one or has NUL.
        TypeError: if ``characters`` is not a string, but a list of texts, say.

    Example:
        >>> vocab = CharVocab()
        >>> vocab.encode("Álvarez")
        tensor([ 65, 108, 118,  97, 114, 101, 122])
        >>> vocab.decode(vocab.encode("Álvarez"))
        'Alvarez'
        >>> len(CharVocab("ehlo", unknown=True))
        6
    """

    padding_idx = 0

    def __init__(self, characters: str | None = None, *, unknown: bool = False) -> None:
        if not isinstance(characters, str | None):
            raise TypeError(
                f"characters must be one string, got a {type(characters).__name__}: "
                "CharVocab.from_texts(...) collects those of texts"
            )
        self.characters = ASCII if characters is None else characters
        if PADDING in self.characters:
            raise ValueError(f"characters must not contain NUL, got {self.characters!r}: id 0 is for padding")
        self._ids = {character: index for index, character in enumerate(self.characters, start=1)}
        if len(self._ids) < len(self.characters):
            repeated = next(c for c in self.characters if self.characters.count(c) > 1)
            raise ValueError(f"characters must not repeat, got {repeated!r} more than once")
        self.unknown_idx = len(self.characters) + 1 if unknown else None
        # sized by what the ids look up in decode: padding is nothing, unknown is U+FFFD
        self._symbols = ["", *self.characters, *([REPLACEMENT] if unknown else [])]

    @classmethod
    def from_texts(cls, texts: Iterable[str], *, unknown: bool = False) -> "CharVocab":
        """The vocabulary of every character that occurs in ``texts``, in code point order."""
        return cls("".join(sorted({c for text in texts for c in _composed(text)})), unknown=unknown)

    def __len__(self) -> int:
        return len(self._symbols)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CharVocab):
            return NotImplemented
        return self._symbols == other._symbols

    __hash__ = None  # type: ignore[assignment]  # equal by content, like a list

    def __repr__(self) -> str:
        shown = "ASCII" if self.characters == ASCII else repr(self.characters)
        return f"{type(self).__name__}({shown}, unknown={self.unknown_idx is not None})"

    def encode(self, text: str) -> Tensor:
        """The ids of the characters of ``text``.

        Args:
            text: any string; composed to Unicode's NFC form first.

        Shape:
            - output: ``(T,)``, int64; T is the number of characters after reduction to the vocabulary

        Raises:
            ValueError: if a character is NUL, or unknown while the vocabulary has no unknown id. The
                message names the character, its position and the text.
        """
        text = _composed(text)
        ids = [self._ids.get(character) for character in text]
        if None in ids:
            ids = [index for position in range(len(text)) for index in self._reduce(text, position)]
        return torch.tensor(ids, dtype=torch.int64, device="cpu")

    def decode(self, ids: Tensor | Iterable[int]) -> str:
        """The text of ``ids``; padding is left out and the unknown id shows as U+FFFD.

        Raises:
            ValueError: if an id is outside ``[0, len(vocab))``.
        """
        numbers = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        for number in numbers:
            if not 0 <= number < len(self):
                raise ValueError(f"ids must lie in [0, {len(self)}), got {number}")
        return "".join(self._symbols[number] for number in numbers)

    def _reduce(self, text: str, position: int) -> list[int]:
        character = text[position]
        if character in self._ids:
            return [self._ids[character]]
        if character != PADDING:
            # translated before and after: NFKD makes a blank of an acute accent, and "ø" with a mark of "ǿ"
            plain = unicodedata.normalize("NFKD", character.translate(PLAIN)).translate(PLAIN)
            plain = "".join(c for c in plain if not unicodedata.combining(c))
            if all(c in self._ids for c in plain):
                return [self._ids[c] for c in plain]
            if self.unknown_idx is not None:
                return [self.unknown_idx]
        raise ValueError(
            f"text must consist of the vocabulary's characters, got {character!r} "
            f"(U+{ord(character):04X}) at position {position} of {shorten(text)}"
        )


def _composed(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got a {type(text).__name__}")
    return text if text.isascii() else unicodedata.normalize("NFC", text)
