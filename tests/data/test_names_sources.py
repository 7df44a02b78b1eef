"""The names that come with the library, and the course's."""

import unicodedata
from collections import Counter

import pytest
import torch

from practicezoo import CharVocab, NameDataset


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
