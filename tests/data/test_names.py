"""NameDataset: the embedded names, CSV files in all their forms, and one clear message for each bad one."""

import csv
import gzip
import io
import pickle
import unicodedata
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from practicezoo import CharVocab, NameDataset

PAIRS = [("Yamamoto", "Japanese"), ("Álvarez", "Spanish"), ("Tanaka", "Japanese")]


@pytest.fixture
def write(tmp_path):
    """Writes a file of these bytes (or UTF-8 text) and returns its path."""

    def write(content, name="names.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class TestItems:
    def test_attributes_and_items(self):
        names = NameDataset(PAIRS)
        assert names.names == ["Yamamoto", "Álvarez", "Tanaka"]
        assert names.labels == ["Japanese", "Spanish", "Japanese"]
        assert names.classes == ["Japanese", "Spanish"]
        assert names.class_to_idx == {"Japanese": 0, "Spanish": 1}
        assert names.lengths.tolist() == [8, 7, 6]
        assert names.lengths.dtype == torch.int64
        assert len(names) == 3
        ids, target = names[1]
        assert_close(ids, CharVocab().encode("Alvarez"))
        assert target == 1

    def test_any_iterable_is_a_source(self):
        assert NameDataset(pair for pair in PAIRS).names == NameDataset(PAIRS).names

    def test_an_index_past_the_end_ends_the_iteration(self):
        assert [target for _, target in NameDataset(PAIRS)] == [0, 1, 0]

    def test_a_vocabulary_of_ones_own(self):
        names = NameDataset([("aé", "x")], vocab=CharVocab("éa"))
        assert names[0][0].tolist() == [2, 1]

    def test_tensors_hold_every_item(self):
        names = NameDataset(PAIRS)
        padded, targets = names.tensors()
        for index, (ids, target) in enumerate(names):
            assert_close(padded.data[index, : padded.lengths[index]], ids)
            assert targets[index] == target
        assert padded.data.shape == (3, 8)

    def test_it_can_be_sent_to_a_worker(self):
        names = pickle.loads(pickle.dumps(NameDataset(PAIRS)))  # noqa: S301
        assert names.names == ["Yamamoto", "Álvarez", "Tanaka"]
        assert names[2][1] == 0


class TestClasses:
    def test_a_test_set_takes_the_classes_of_the_training_set(self):
        train = NameDataset(PAIRS)
        test = NameDataset([("García", "Spanish")], classes=train.classes)
        assert test.classes == train.classes
        assert test[0][1] == train.class_to_idx["Spanish"] == 1  # alone, Spanish would be class 0

    def test_their_order_is_the_callers(self):
        names = NameDataset(PAIRS, classes=["Spanish", "Korean", "Japanese"])
        assert [target for _, target in names] == [2, 0, 2]

    def test_an_unknown_country(self, write):
        with pytest.raises(ValueError, match="row 2: label must be one of the 2 classes, got 'Spanish'"):
            NameDataset(PAIRS, classes=["Japanese", "Korean"])
        path = write("name,country\nKim,Korean\nNowak,Polish\n")
        with pytest.raises(
            ValueError, match=r"names\.csv: row 3: label must be one of the 1 classes, got 'Polish'"
        ):
            NameDataset(path, classes=["Korean"])

    def test_repeated_classes(self):
        with pytest.raises(
            ValueError, match=r"classes must not repeat, got \['Spanish', 'Japanese', 'Spanish'\]"
        ):
            NameDataset(PAIRS, classes=["Spanish", "Japanese", "Spanish"])


class TestFiles:
    @pytest.mark.parametrize(
        "content",
        [
            "Yamamoto,Japanese\nÁlvarez,Spanish\n",
            "name,country\nYamamoto,Japanese\nÁlvarez,Spanish\n",
            "Name,Country\r\nYamamoto,Japanese\r\nÁlvarez,Spanish",
            '"Yamamoto","Japanese"\n"Álvarez","Spanish"\n',
            "\N{BYTE ORDER MARK}name,country\nYamamoto,Japanese\nÁlvarez,Spanish\n",
            "\N{BYTE ORDER MARK}Yamamoto,Japanese\nÁlvarez,Spanish\n",
            "\n\nYamamoto,Japanese\n\nÁlvarez,Spanish\n\n",
            " Yamamoto , Japanese \nÁlvarez\t,Spanish\n",
            '"\nYamamoto",Japanese\nÁlvarez,"Spanish\n"\n',
        ],
        ids=[
            "plain",
            "header",
            "windows",
            "quotes",
            "BOM-header",
            "BOM",
            "blank-lines",
            "blanks",
            "newlines-around",
        ],
    )
    @pytest.mark.parametrize("compress", [False, True], ids=["csv", "csv.gz"])
    def test_one_content_in_many_forms(self, write, content, compress):
        data = content.encode()
        path = write(gzip.compress(data), "names.csv.gz") if compress else write(data)
        for source in (path, str(path)):
            names = NameDataset(source)
            assert names.names == ["Yamamoto", "Álvarez"]
            assert names.labels == ["Japanese", "Spanish"]

    @given(st.lists(st.tuples(st.text("abÁß,\"' -", min_size=1), st.text('xyz,"', min_size=1)), min_size=1))
    def test_what_the_csv_module_writes_is_read_back(self, tmp_path_factory, rows):
        rows = [("-" + name, label) for name, label in rows]  # no name is blank
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        path = tmp_path_factory.mktemp("written") / "names.csv"
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        names = NameDataset(path, strip=False)
        assert list(zip(names.names, names.labels, strict=True)) == rows

    def test_strip(self):
        blanks = [(" Kim  ", "Korean "), ("Ng", "Chinese")]
        assert NameDataset(blanks).names == ["Kim", "Ng"]
        assert NameDataset(blanks).classes == ["Chinese", "Korean"]
        assert NameDataset(blanks, strip=False).names == [" Kim  ", "Ng"]
        assert NameDataset(blanks, strip=False).lengths.tolist() == [6, 2]

    def test_blanks_inside_a_name_stay(self):
        names = NameDataset([("de la Cruz", "Spanish"), ("O'Neal, Jr.", "Irish")])
        assert names.names == ["de la Cruz", "O'Neal, Jr."]
        assert names.lengths.tolist() == [10, 11]


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


@pytest.fixture(scope="module")
def mini():
    return {split: NameDataset.mini(split) for split in ("train", "test")}


def plain(dataset):
    vocab = CharVocab()
    return {vocab.decode(vocab.encode(name)).casefold() for name in dataset.names}


class TestMini:
    def test_size_and_classes(self, mini):
        train, test = mini["train"], mini["test"]
        assert len(train) + len(test) >= 1200
        assert train.classes == test.classes
        assert len(train.classes) == 18
        counts = Counter(train.labels + test.labels)
        assert min(counts.values()) >= 40
        assert set(counts) == set(train.labels) == set(test.labels) == set(train.classes)

    def test_no_name_is_in_both_splits(self, mini):
        assert not set(mini["train"].names) & set(mini["test"].names)
        assert not plain(mini["train"]) & plain(mini["test"])

    def test_every_name_is_composed_stripped_and_encoded_by_default(self, mini):
        for dataset in mini.values():
            assert all(unicodedata.is_normalized("NFC", name) for name in dataset.names)
            assert all(name == name.strip() for name in dataset.names)
            padded, _ = dataset.tensors()
            assert int(padded.data[padded.data > 0].min()) >= 1
            assert int(padded.data.max()) < 128

    @pytest.mark.parametrize(
        ("country", "letters"),
        [
            ("Czech", "řšž"),
            ("French", "éèç"),
            ("German", "äöüß"),
            ("Irish", "óí"),
            ("Polish", "łńś"),
            ("Portuguese", "ãçõ"),
            ("Spanish", "ñáí"),
            ("Vietnamese", "ễạầ"),
        ],
    )
    def test_real_diacritics(self, mini, country, letters):
        names = [
            name
            for dataset in mini.values()
            for name, label in zip(dataset.names, dataset.labels, strict=True)
            if label == country
        ]
        assert set(letters) <= set("".join(names).lower())

    def test_a_split_that_does_not_exist(self):
        with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
            NameDataset.mini("val")


COURSE = ("course/names_train.csv.gz", "course/names_test.csv.gz")


@pytest.mark.realdata(*COURSE)
class TestCourseFiles:
    @pytest.fixture
    def course(self, data_root):
        train = NameDataset(data_root / COURSE[0], strip=False)
        return train, NameDataset(data_root / COURSE[1], classes=train.classes, strip=False)

    def test_rows_and_countries(self, course):
        train, test = course
        assert (len(train), len(test)) == (13_374, 6_700)
        assert len(train.classes) == 18
        assert set(test.labels) == set(train.classes) == set(NameDataset.mini("train").classes)
        assert Counter(test.labels).most_common(1)[0] == ("Russian", round(0.4681 * 6_700))

    def test_characters_and_lengths(self, course):
        names = course[0].names + course[1].names
        characters = set("".join(names))
        assert len(characters) == 55
        assert max(map(ord, characters)) == 122
        lengths = torch.cat([dataset.lengths for dataset in course])
        assert (int(lengths.min()), int(lengths.max())) == (2, 19)
        assert float(course[0].lengths.double().mean()) == pytest.approx(7.17, abs=0.005)

    def test_ten_names_carry_trailing_blanks_and_lose_them(self, course, data_root):
        blanks = [
            (name, label)
            for dataset in course
            for name, label in zip(dataset.names, dataset.labels, strict=True)
            if name != name.strip()
        ]
        assert len(blanks) == 10
        assert {label for _, label in blanks} == {"Chinese", "Korean"}
        for name in COURSE:
            stripped = NameDataset(data_root / name).names
            assert all(name == name.strip() for name in stripped)

    def test_names_of_the_test_file_that_stand_in_train(self, course):
        train, test = course
        known = set(train.names)
        seen = [label for name, label in zip(test.names, test.labels, strict=True) if name in known]
        assert len(seen) == 1_046
        assert Counter(seen)["Arabic"] == Counter(test.labels)["Arabic"] == 667


@pytest.mark.parametrize("row", [(float("nan"), "Japanese"), ("Abe", None), (3, "Japanese")])
def test_a_name_or_label_that_is_not_text(row):
    with pytest.raises(TypeError, match="row 2: name and label must be text, got"):
        NameDataset([("Kato", "Japanese"), row])


@pytest.mark.parametrize("control", ["\t", "\x1c", "\x7f", "\x85"])
def test_control_characters_inside_a_name(control):
    with pytest.raises(ValueError, match=r"row 1: name must not hold control characters, .* at position 1"):
        NameDataset([(f"A{control}b", "Japanese")])


def test_a_header_after_blank_lines(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("\n\nname,country\nKim,Korean\nname,Korean\n")
    assert NameDataset(path).names == ["Kim", "name"]


@pytest.mark.parametrize(
    "row", [("x" * 5000, "Korean"), ("Kim", "x" * 5000), ("Kim\0" + "x" * 900, "Korean")]
)
def test_messages_stay_short(row):
    with pytest.raises(ValueError, match="row 1") as caught:
        NameDataset([row], classes=["Korean"])
    assert len(str(caught.value)) < 300


class TestHeaders:
    ROWS = "Kim,Korean\nNovak,Czech\n"

    @pytest.mark.parametrize("header", ["name,country", "surname,nationality", "\ufeffName,Class"])
    def test_a_header_is_never_a_sample(self, header, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text(f"{header}\n{self.ROWS}", encoding="utf-8")
        assert NameDataset(path).classes == ["Czech", "Korean"]

    def test_columns_are_found_by_place_or_name(self, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text("id,country,name\n1,Korean,Kim\n2,Czech,Novak\n")
        for settings in (
            {"name_column": 2, "label_column": 1},
            {"name_column": "name", "label_column": "country"},
        ):
            dataset = NameDataset(path, **settings)
            assert (dataset.names, dataset.labels) == (["Kim", "Novak"], ["Korean", "Czech"])
        with pytest.raises(ValueError, match=r"name_column must be named in the header, .*, got 'surname'"):
            NameDataset(path, name_column="surname", label_column="country")
        with pytest.raises(ValueError, match=r"name_column must lie in \[0, 3\), got 3"):
            NameDataset(path, name_column=3)

    def test_what_may_be_either_is_refused(self, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text(f"Name,Korean\n{self.ROWS}")
        with pytest.raises(ValueError, match=r"may be a header or a sample: say which with header=True or"):
            NameDataset(path)
        assert len(NameDataset(path, header=True)) == 2
        assert len(NameDataset(path, header=False)) == 3

    def test_a_header_in_another_language_is_told_by_its_label(self, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text("Nachname,Land\nKim,KR\nNovak,CZ\nLee,KR\nDvorak,CZ\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"row 1: \['Nachname', 'Land'\] may be a header or a sample"):
            NameDataset(path)
        assert NameDataset(path, header=True).classes == ["CZ", "KR"]
        assert len(NameDataset(path, classes=["CZ", "KR", "Land"])) == 5

    def test_a_header_with_swapped_columns_is_never_a_class_a_name(self, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text("nationality,surname\nKorean,Kim\n")
        message = (
            r"names must stand before labels, .*: give name_column='surname', label_column='nationality'"
        )
        with pytest.raises(ValueError, match=message):
            NameDataset(path)
        assert NameDataset(path, name_column="surname", label_column="nationality").classes == ["Korean"]

    @pytest.mark.parametrize(
        ("content", "settings", "message"),
        [
            (ROWS, {"header": "yes"}, "header must be True, False or 'auto', got 'yes'"),
            (ROWS, {"name_column": 1}, "name_column and label_column must differ, got 1 for both"),
            (
                "id,name,label\n1,Kim,KR\n",
                {},
                "got .*: say which columns with name_column= and label_column=",
            ),
            ("Kim;KR\n", {}, "columns must be separated by commas, not by ';'"),
            ("Kim,KR,1\nLi\n", {"label_column": 2}, "row 2: a row must have 3 columns as the first row has"),
            ("name,name\nKim,KR\n", {"name_column": "name"}, "name_column must be named once in the header"),
        ],
    )
    def test_columns_that_cannot_be_meant(self, content, settings, message, tmp_path):
        path = tmp_path / "names.csv"
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            NameDataset(path, **settings)

    def test_a_table_of_pandas_is_told_how(self):
        pandas = pytest.importorskip("pandas")
        with pytest.raises(TypeError, match=r"got a DataFrame: give zip\(table\['name'\]"):
            NameDataset(pandas.DataFrame({"name": ["Kim"], "label": ["Korean"]}))


class TestPairs:
    """Pairs are read by the rules of files."""

    PAIRS = (("Kim", "Korean"), ("Novak", "Czech"))

    @pytest.mark.parametrize("header", [("name", "country"), ["Surname", " Nationality"]])
    def test_a_header_is_never_a_sample(self, header):
        names = NameDataset([header, *self.PAIRS])
        assert (names.names, names.classes) == (["Kim", "Novak"], ["Czech", "Korean"])

    def test_what_may_be_a_header_or_a_sample_is_refused(self):
        pairs = [("Name", "Korean"), *self.PAIRS]
        with pytest.raises(
            ValueError, match=r"^row 1: \['Name', 'Korean'\] may be a header or a sample: say"
        ):
            NameDataset(pairs)
        assert len(NameDataset(pairs, header=True)) == 2
        assert len(NameDataset(pairs, header=False)) == 3

    def test_a_first_label_that_occurs_once_while_all_others_recur_is_refused(self):
        pairs = [("Nachname", "Land"), *self.PAIRS, *self.PAIRS]
        with pytest.raises(ValueError, match="may be a header or a sample"):
            NameDataset(pairs)
        assert len(NameDataset(pairs, classes=["Czech", "Korean", "Land"])) == 5

    def test_swapped_columns_are_refused(self):
        with pytest.raises(ValueError, match=r"^row 1: names must stand before labels, got the header"):
            NameDataset([("country", "name"), ("Korean", "Kim")])

    def test_columns_are_chosen_by_number_or_name(self):
        rows = [("id", "country", "name"), ("1", "Korean", "Kim"), ("2", "Czech", "Novak")]
        for columns in ((2, 1), ("name", "country")):
            names = NameDataset(rows, name_column=columns[0], label_column=columns[1])
            assert list(zip(names.names, names.labels, strict=True)) == list(self.PAIRS)
        with pytest.raises(ValueError, match=r"^name_column must be named in the header, .* got 'surname'"):
            NameDataset(rows, name_column="surname", label_column="country")

    @pytest.mark.parametrize("row", [(), 3, {"name": "Kim", "country": "Korean"}])
    def test_a_first_row_that_is_no_pair(self, row):
        with pytest.raises(ValueError, match=r"^row 1: a row must be a name and a label, got "):
            NameDataset([row, *self.PAIRS])

    def test_a_first_row_that_is_not_text(self):
        with pytest.raises(TypeError, match=r"^row 1: name and label must be text, got"):
            NameDataset([(3, None), *self.PAIRS, *self.PAIRS], classes=["Korean", "Czech", "None"])
