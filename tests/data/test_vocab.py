"""CharVocab: round trips, normalisation, and the message for what it cannot read."""

import pickle
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from practicezoo import CharVocab

ascii_text = st.text(st.characters(min_codepoint=1, max_codepoint=127))
# Latin-1 and Latin Extended-A, where Europe's surnames live; the four without a plain form are left out
latin_text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F, categories=["Lu", "Ll"], exclude_characters="µĿŀſ")
)
any_text = st.text(st.characters(exclude_characters="\0"))


@given(ascii_text)
def test_an_ascii_characters_id_is_its_code_point(text):
    vocab = CharVocab()
    ids = vocab.encode(text)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [ord(character) for character in text]
    assert vocab.decode(ids) == text


@given(latin_text)
def test_latin_letters_reduce_to_ascii_once_and_for_all(text):
    vocab = CharVocab()
    ids = vocab.encode(text)
    assert len(ids) >= len(text)
    plain = vocab.decode(ids)
    assert plain.isascii()
    assert vocab.encode(plain).tolist() == ids.tolist()


@given(latin_text)
def test_composed_and_decomposed_text_have_the_same_ids(text):
    vocab = CharVocab()
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert vocab.encode(forms[0]).tolist() == vocab.encode(forms[1]).tolist()


@given(st.lists(any_text, min_size=1))
def test_a_vocabulary_of_texts_loses_only_the_way_they_were_composed(texts):
    vocab = CharVocab.from_texts(texts)
    for text in texts:
        assert vocab.decode(vocab.encode(text)) == unicodedata.normalize("NFC", text)


@given(any_text)
def test_with_an_unknown_id_every_text_has_ids(text):
    vocab = CharVocab("abc", unknown=True)
    ids = vocab.encode(text)
    assert ((ids >= 1) & (ids <= vocab.unknown_idx)).all()
    assert vocab.encode(vocab.decode(ids)).tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Álvarez", "Alvarez"),
        ("A\N{COMBINING ACUTE ACCENT}lvarez", "Alvarez"),
        ("Łukasiewicz", "Lukasiewicz"),
        ("Đặng", "Dang"),
        ("Groß", "Gross"),
        ("Sørensen", "Sorensen"),
        ("Ǿ", "O"),
        ("Ægir", "AEgir"),
        ("İnönü", "Inonu"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Brien", "O'Brien"),
        ("O\N{ACUTE ACCENT}Brien", "O'Brien"),
        ("Smith\N{EN DASH}Jones", "Smith-Jones"),
        ("de\N{NO-BREAK SPACE}Vries", "de Vries"),
        ("", ""),
    ],
)
def test_what_people_read_as_plain_letters(text, plain):
    vocab = CharVocab()
    assert vocab.decode(vocab.encode(text)) == plain


def test_a_character_of_the_vocabulary_is_not_reduced():
    vocab = CharVocab("Aaá")
    assert vocab.encode("áÁa").tolist() == [3, 1, 2]


@pytest.mark.parametrize(("unknown", "size"), [(False, 4), (True, 5)])
def test_len_counts_padding_and_the_unknown_id(unknown, size):
    vocab = CharVocab("abc", unknown=unknown)
    assert len(vocab) == size
    assert vocab.padding_idx == 0
    assert vocab.unknown_idx == (4 if unknown else None)
    assert len(CharVocab(unknown=unknown)) == 128 + unknown


def test_decode_leaves_padding_out_and_shows_the_unknown():
    vocab = CharVocab("abc", unknown=True)
    assert vocab.decode([1, 4, 3, 0, 0]) == "a\N{REPLACEMENT CHARACTER}c"
    assert vocab.decode(torch.tensor([0, 2])) == "b"


def test_vocabularies_are_equal_by_content():
    assert CharVocab("abc") == CharVocab("abc") == pickle.loads(pickle.dumps(CharVocab("abc")))  # noqa: S301
    assert CharVocab("abc") != CharVocab("acb")
    assert CharVocab("abc") != CharVocab("abc", unknown=True)
    assert CharVocab("abc") != "abc"


def test_repr():
    assert repr(CharVocab("abc", unknown=True)) == "CharVocab('abc', unknown=True)"
    assert repr(CharVocab()) == "CharVocab(ASCII, unknown=False)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Иванов", r"got 'И' \(U\+0418\) at position 0 of 'Иванов'"),
        ("Liu 刘", r"got '刘' \(U\+5218\) at position 4 of 'Liu 刘'"),
        ("a½", r"got '½' \(U\+00BD\) at position 1"),
        ("a\0b", r"got '\\x00' \(U\+0000\) at position 1 of 'a\\x00b'"),
        ("x" * 99_999 + "é刘", r"at position 100000 of 'x{49}\.\.\.x*é?刘'$"),
    ],
)
def test_a_character_outside_the_vocabulary(text, message):
    with pytest.raises(ValueError, match="text must consist of the vocabulary's characters, .*" + message):
        CharVocab().encode(text)


def test_nul_is_refused_though_there_is_an_unknown_id():
    with pytest.raises(ValueError, match=r"got '\\x00' \(U\+0000\) at position 2"):
        CharVocab(unknown=True).encode("ab\0")


def test_characters_may_not_repeat_nor_hold_nul():
    with pytest.raises(ValueError, match="characters must not repeat, got 'b' more than once"):
        CharVocab("abcb")
    with pytest.raises(
        ValueError, match=r"characters must not contain NUL, got 'a\\x00': id 0 is for padding"
    ):
        CharVocab("a\0")
    with pytest.raises(ValueError, match="characters must not contain NUL"):
        CharVocab.from_texts(["ab", "c\0"])


@pytest.mark.parametrize("wrong", [-1, 4])
def test_ids_outside_the_vocabulary(wrong):
    with pytest.raises(ValueError, match=rf"ids must lie in \[0, 4\), got {wrong}"):
        CharVocab("abc").decode([1, wrong])


@pytest.mark.parametrize("characters", [["good", "bad"], ["a", "b"], b"ab", 3])
def test_characters_must_be_one_string(characters):
    kind = type(characters).__name__
    message = (
        rf"characters must be one string, got a {kind}: CharVocab\.from_texts\(\.\.\.\) collects those of"
    )
    with pytest.raises(TypeError, match=message):
        CharVocab(characters)


@pytest.mark.parametrize("text", [3, None, b"ab", ["ab"]])
def test_a_text_must_be_a_string(text):
    message = f"text must be a string, got a {type(text).__name__}"
    with pytest.raises(TypeError, match=message):
        CharVocab().encode(text)
    with pytest.raises(TypeError, match=message):
        CharVocab.from_texts(["ab", text])
