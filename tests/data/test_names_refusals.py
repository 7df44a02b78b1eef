"""NameDataset: one clear message for each bad name, row and file."""

import gzip

import pytest

from practicezoo import CharVocab, NameDataset

PAIRS = [("Yamamoto", "Japanese"), ("Álvarez", "Spanish"), ("Tanaka", "Japanese")]


BAD_NAMES = {
    "empty": ("", "name must not be empty, got ''"),
    "blanks": (" \t ", "name must not be empty, got ''"),
    "nul": ("\0", r"must not hold control characters, got '\\x00' at position 0 of '\\x00'"),
    "nul-inside": ("Li\0u", r"must not hold control characters, got '\\x00' at position 2 of 'Li\\x00u'"),
    "nul-behind": ("Liu\0", r"must not hold control characters, got '\\x00' at position 3"),
    "newline-inside": ("Li\nu", r"must not hold control characters, got '\\n' at position 2"),
    "bell": ("Li\au", r"must not hold control characters, got '\\x07' at position 2"),
    "zero-width": (
        "Li\N{ZERO WIDTH SPACE}u",
        r"must not hold control characters, got '\\u200b' at position 2",
    ),
    "cyrillic": ("Иванов", r"vocabulary's characters, got 'И' \(U\+0418\) at position 0 of 'Иванов'"),
    "100,000": ("a" * 100_000, "name must have at most 1000 characters, got 100000: 'a{49}...a{19}'"),
    "marks-only": ("\N{COMBINING ACUTE ACCENT}", "must have a character that the vocabulary knows"),
}


class TestBadNames:
    @pytest.mark.parametrize(("name", "message"), BAD_NAMES.values(), ids=BAD_NAMES)
    def test_in_pairs(self, name, message):
        with pytest.raises(ValueError, match=f"^row 3: .*{message}"):
            NameDataset([*PAIRS[:2], (name, "Chinese"), PAIRS[2]])

    @pytest.mark.parametrize(("name", "message"), BAD_NAMES.values(), ids=BAD_NAMES)
    def test_in_a_file(self, write, name, message):
        path = write(f'name,country\nKim,Korean\n"{name}",Chinese\n')
        with pytest.raises(ValueError, match=rf"names\.csv: row 3: .*{message}"):
            NameDataset(path)

    @pytest.mark.parametrize("name", ["", " ", "\0", "Li\0u", "a" * 100_000])
    def test_an_unknown_id_does_not_excuse_them(self, name):
        with pytest.raises(ValueError, match="row 1: name must"):
            NameDataset([(name, "Chinese")], vocab=CharVocab(unknown=True))

    def test_an_unknown_id_stands_for_characters_outside_the_vocabulary(self):
        vocab = CharVocab(unknown=True)
        names = NameDataset([("Иva", "Russian")], vocab=vocab)
        assert names[0][0].tolist() == [vocab.unknown_idx, ord("v"), ord("a")]

    def test_the_longest_name_that_is_one(self):
        assert NameDataset([("a" * 1000, "x")]).lengths.tolist() == [1000]

    def test_an_empty_label(self):
        with pytest.raises(ValueError, match="row 1: label must not be empty, got ''"):
            NameDataset([("Kim", " ")])


class TestBadFiles:
    @pytest.mark.parametrize("content", ["", "\n\n", "name,country\n", "\N{BYTE ORDER MARK}"])
    def test_no_rows(self, write, content):
        with pytest.raises(
            ValueError, match=r"names\.csv: source must have at least one row of name and label"
        ):
            NameDataset(write(content))

    def test_no_pairs(self):
        with pytest.raises(ValueError, match=r"^source must have at least one row of name and label"):
            NameDataset([])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("name\nKim\n", r"names\.csv: row 2: a row must be a name and a label, got \['Kim'\]"),
            ("Kim,Korean\nNowak\n", r"row 2: a row must be a name and a label, got \['Nowak'\]"),
            ("Kim,Korean,7\n", r"row 1: a row must be a name and a label, got \['Kim', 'Korean', '7'\]"),
            ("Kim;Korean\n", r"row 1: a row must be a name and a label, got \['Kim;Korean'\]"),
        ],
    )
    def test_a_missing_or_additional_column(self, write, content, message):
        with pytest.raises(ValueError, match=message):
            NameDataset(write(content))

    @pytest.mark.parametrize("row", ["ab", ("Kim",), ("Kim", "Korean", 7)])
    def test_a_pair_that_is_none(self, row):
        with pytest.raises(ValueError, match="row 2: a row must be a name and a label, got "):
            NameDataset([PAIRS[0], row])

    def test_latin_1(self, write):
        path = write("Álvarez,Spanish\n".encode("latin-1"))
        with pytest.raises(
            ValueError, match=r"names\.csv: the file must be UTF-8 text, got byte 0xc1 at offset 0"
        ):
            NameDataset(path)

    @pytest.mark.parametrize(
        "damage", [lambda data: data[:-9], lambda data: data[:20] + b"\xff" * 9 + data[29:]]
    )
    def test_a_damaged_archive(self, write, damage):
        data = gzip.compress("".join(f"Name{chr(97 + i % 26)}{'a' * i},Korean\n" for i in range(99)).encode())
        with pytest.raises(ValueError, match=r"names\.csv\.gz: the file must be a whole gzip archive: "):
            NameDataset(write(damage(data), "names.csv.gz"))

    def test_an_archive_that_is_none(self, write):
        with pytest.raises(
            ValueError, match=r"names\.csv\.gz: the file must be a whole gzip archive: Not a gzipped"
        ):
            NameDataset(write("Kim,Korean\n", "names.csv.gz"))

    def test_a_quote_left_open(self, write):
        path = write('Kim,Korean\n"Nowak,Polish\n' + "Ng,Chinese\n" * 200)
        with pytest.raises(ValueError, match=r"row 2: a row must be a name and a label, got \['Nowak,Polish"):
            NameDataset(path)

    def test_a_field_beyond_the_csv_modules_limit(self, write):
        path = write("Kim,Korean\n" + "a" * 200_000 + ",Korean\n")
        with pytest.raises(ValueError, match=r"names\.csv: row 2: field larger than field limit"):
            NameDataset(path)

    def test_a_file_that_does_not_exist(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
            NameDataset(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("row", [(float("nan"), "Japanese"), ("Abe", None), (3, "Japanese")])
def test_a_name_or_label_that_is_not_text(row):
    with pytest.raises(TypeError, match="row 2: name and label must be text, got"):
        NameDataset([("Kato", "Japanese"), row])


@pytest.mark.parametrize("control", ["\t", "\x1c", "\x7f", "\x85"])
def test_control_characters_inside_a_name(control):
    with pytest.raises(ValueError, match=r"row 1: name must not hold control characters, .* at position 1"):
        NameDataset([(f"A{control}b", "Japanese")])


@pytest.mark.parametrize(
    "row", [("x" * 5000, "Korean"), ("Kim", "x" * 5000), ("Kim\0" + "x" * 900, "Korean")]
)
def test_messages_stay_short(row):
    with pytest.raises(ValueError, match="row 1") as caught:
        NameDataset([row], classes=["Korean"])
    assert len(str(caught.value)) < 300
