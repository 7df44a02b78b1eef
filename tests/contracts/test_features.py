"""Feature maps and heads: by torchvision's extractor, by feature_maps, by reset_head."""

from collections import Counter

import pytest
import torch
from torch.testing import assert_close
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import practicezoo
import practicezoo.models
from practicezoo.blocks import Shortcut
from support.catalog import ENTRIES, MODELS
from support.contracts import VISION_BLOCKS, VISION_MODELS, over, ready, results

# the first lessons' models: their last layer is all they have, or is left out
WITHOUT_RESET_HEAD = {
    practicezoo.models.CharTagger,
    practicezoo.models.LinearRegression,
    practicezoo.models.LogisticRegression,
    practicezoo.models.StepwiseTagger,
}


@over([entry for entry in VISION_BLOCKS + VISION_MODELS if not issubclass(entry.module, Shortcut)])
def test_torchvision_extracts_features(entry):
    module = ready(entry)
    (inputs,) = entry.example(3, torch.float32)
    names = get_graph_node_names(module)[1]
    extractor = create_feature_extractor(module, [names[0], names[-1]])
    first, output = extractor(inputs).values()
    assert torch.equal(first, inputs)
    assert_close(output, module(inputs), rtol=0, atol=0)


@over([entry for entry in VISION_MODELS if issubclass(entry.module, practicezoo.ImageClassifier)])
def test_torchvision_extracts_an_image_classifiers_feature_map(entry):
    model = ready(entry)
    (images,) = entry.example(3, torch.float32)
    extractor = create_feature_extractor(model, {"features": "map", "head": "logits"})
    outputs = extractor(images)
    assert_close(outputs["map"], model.forward_features(images), rtol=0, atol=0)
    assert_close(outputs["logits"], model(images), rtol=0, atol=0)


@over([entry for entry in VISION_MODELS if issubclass(entry.module, practicezoo.ImageClassifier)])
def test_an_image_classifiers_stages_are_those_that_torchvision_extracts(entry):
    model = ready(entry)
    (images,) = entry.example(3, torch.float32)
    names = [stage.name for stage in model.feature_info]
    maps = practicezoo.feature_maps(model, images, names)
    assert_close(maps, create_feature_extractor(model, names)(images), rtol=0, atol=0)
    assert [features.shape[1] for features in maps.values()] == [each.channels for each in model.feature_info]


@over(ENTRIES)
def test_feature_maps_of_every_part_that_runs_once(entry):
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    calls: Counter[str] = Counter()
    for name, part in module.named_modules():
        part.register_forward_hook(lambda *_, name=name: calls.update([name]))
    module(*inputs)
    maps = practicezoo.feature_maps(module, inputs, [name for name, times in calls.items() if times == 1])
    assert_close(results(maps[""]), results(module(*inputs)), rtol=0, atol=0)


@over([entry for entry in MODELS if entry.module not in WITHOUT_RESET_HEAD])
def test_reset_head_keeps_the_features(entry):
    model = ready(entry, dtype=torch.float64)
    inputs = entry.example(2, torch.float64)
    features = model.forward_features(*inputs)
    model.reset_head(47)
    assert torch.equal(model.forward_features(*inputs), features)
    assert model(*inputs).shape == (2, 47)
    assert model.num_classes == 47
    assert {parameter.dtype for parameter in model.head.parameters()} == {torch.float64}
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        model.reset_head(0)


@over([entry for entry in MODELS if entry.module not in WITHOUT_RESET_HEAD])
def test_reset_head_stays_on_the_device(entry):
    model = entry.build(device="meta")
    model.reset_head(3)
    assert model.head.weight.is_meta
