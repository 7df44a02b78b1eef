"""Names are learned, by the recipe's own networks."""

import pytest

from practicezoo.recipes import DataOptions, get_recipe, train_recipe


@pytest.mark.slow
def test_training_on_the_names_that_come_along_learns(tmp_path):
    result = train_recipe(get_recipe("names_gru"), tmp_path, epochs=8, device="cpu")
    assert result.figures["test_accuracy"] > 0.5  # the largest class has 8 %


@pytest.mark.slow
@pytest.mark.realdata("course/names_train.csv.gz", "course/names_test.csv.gz")
def test_training_on_the_courses_names_learns(tmp_path, data_root):
    options = DataOptions(root=data_root)
    result = train_recipe(
        get_recipe("names_gru"), tmp_path, setting="course", epochs=4, data=options, device="cpu"
    )
    assert result.figures["data"] == "course names"
    assert result.figures["test_accuracy"] > 0.72  # 46.8 % are Russian; a careful loop has 75 to 78 %
    assert result.figures["test_accuracy_unseen"] > 0.72
