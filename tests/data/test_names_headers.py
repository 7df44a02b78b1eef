"""NameDataset: a header is never a sample, in files as in pairs, and columns by place or name."""

from typing import Any

import pytest

from practicezoo import NameDataset

PAIRS = [("Yamamoto", "Japanese"), ("Álvarez", "Spanish"), ("Tanaka", "Japanese")]


def test_a_header_after_blank_lines(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("\n\nname,country\nKim,Korean\nname,Korean\n")
    assert NameDataset(path).names == ["Kim", "name"]


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
        with pytest.raises(
            ValueError, match=r"may be a header or a sample: name the columns by its words \(name_col"
        ):
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
            ValueError, match=r"^row 1: \['Name', 'Korean'\] may be a header or a sample: name"
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
        wrong: Any = (3, None)
        with pytest.raises(TypeError, match=r"^row 1: name and label must be text, got"):
            NameDataset([wrong, *self.PAIRS, *self.PAIRS], classes=["Korean", "Czech", "None"])
