"""NameDataset: items, classes, and CSV files in all their forms."""

import csv
import gzip
import io
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from practicezoo import CharVocab, NameDataset

PAIRS = [("Yamamoto", "Japanese"), ("Álvarez", "Spanish"), ("Tanaka", "Japanese")]


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
        names: Any = NameDataset(PAIRS)
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
