"""feature_maps: outputs of a model's parts, by name."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import CNN, CharGRUClassifier, CharTagger, PaddedSequence, ResidualNet, feature_maps
from practicezoo.models import StepwiseTagger

IMAGES = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
TEXTS = PaddedSequence(torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.tensor([3, 1]))


def num_hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_maps_are_what_the_modules_return_in_the_order_of_the_names():
    model = CNN()
    maps = feature_maps(model, IMAGES, ["features.1", "features.0", ""])
    assert list(maps) == ["features.1", "features.0", ""]
    assert_close(maps["features.0"], model.features[0](IMAGES), rtol=0, atol=0)
    assert_close(maps["features.1"], model.forward_features(IMAGES), rtol=0, atol=0)
    assert_close(maps[""], model(IMAGES), rtol=0, atol=0)


def test_the_result_can_be_differentiated_with_respect_to_a_map_and_a_map_to_the_weights():
    model = CNN()
    maps = feature_maps(model, IMAGES, ["features.1", "head"])
    (gradient,) = torch.autograd.grad(maps["head"].sum(), maps["features.1"], retain_graph=True)
    assert_close(gradient[0].flatten(), model.head.weight.sum(dim=0))
    maps["features.1"].sum().backward()
    assert model.features[0].conv.conv.weight.grad.any()


def test_without_gradients_where_they_are_turned_off():
    with torch.no_grad():
        assert not feature_maps(CNN(), IMAGES, ["head"])["head"].requires_grad
    with torch.inference_mode():
        assert feature_maps(CNN(), IMAGES, ["head"])["head"].is_inference()


def test_a_recurrent_models_maps_in_every_form_of_its_inputs():
    model = CharGRUClassifier(hidden_size=4)
    for inputs in (TEXTS, TEXTS.pack(), tuple(TEXTS), {"inputs": TEXTS}):
        maps = feature_maps(model, inputs, ["encoder", "head"])
        assert_close(maps["encoder"].final_state, model.forward_features(TEXTS), rtol=0, atol=0)
        assert_close(maps["head"], model(TEXTS), rtol=0, atol=0)
    tagger = CharTagger()
    ids = torch.tensor([[1, 0, 2, 2, 3]])
    assert feature_maps(tagger, ids, ["embedding"])["embedding"].shape == (1, 5, 10)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_is(training):
    model = ResidualNet(norm=nn.BatchNorm2d).train(training)
    before = copy.deepcopy(model.state_dict())
    buffers = {name: id(buffer) for name, buffer in model.named_buffers()}
    feature_maps(model, IMAGES, ["features"])["features"].sum().backward()
    assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    assert {name: id(buffer) for name, buffer in model.named_buffers()} == buffers
    assert model.training is training
    assert num_hooks(model) == 0


def test_hooks_of_the_users_own_stay_and_run_once():
    model, calls = CNN(), []
    model.head.register_forward_hook(lambda *_: calls.append(1))
    feature_maps(model, IMAGES, ["head"])
    assert num_hooks(model) == 1
    assert len(calls) == 1


def test_hooks_and_buffers_are_put_back_after_an_exception():
    model = ResidualNet(norm=nn.BatchNorm2d)
    before = copy.deepcopy(model.state_dict())
    model.head.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        feature_maps(model, IMAGES, ["features"])
    assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    assert num_hooks(model) == 1


def test_a_compiled_models_maps_have_the_names_of_the_model_inside():
    model = CNN()
    maps = feature_maps(torch.compile(model, backend="eager"), IMAGES, ["features.0"])
    assert_close(maps["features.0"], model.features[0](IMAGES), rtol=0, atol=0)


def test_an_unknown_name_is_refused_and_near_ones_are_named():
    with pytest.raises(ValueError, match=r"names of CNN's modules, got 'feature.1'; near: features.1, feat"):
        feature_maps(CNN(), IMAGES, ["feature.1"])
    with pytest.raises(ValueError, match="got 'xyz'; there are: features, head"):
        feature_maps(CNN(), IMAGES, ["xyz"])


@pytest.mark.parametrize("names", ["head", 3, None])
def test_names_that_are_no_list_are_refused(names):
    with pytest.raises(TypeError, match=f"names must be a list of names of modules, got {names!r}"):
        feature_maps(CNN(), IMAGES, names)


def test_a_model_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got builtin_function"):
        feature_maps(torch.relu, IMAGES, ["head"])


def test_a_module_that_is_called_twice_or_never_is_refused():
    relu = nn.ReLU()
    with pytest.raises(ValueError, match="called once, but '1' is called 2 times"):
        feature_maps(nn.Sequential(nn.Linear(2, 2), relu, relu), torch.randn(1, 2), ["1"])
    with pytest.raises(ValueError, match="called once, but 'rnn' is called 3 times"):
        feature_maps(StepwiseTagger(), torch.tensor([[1, 2, 3]]), ["rnn"])
    model = CNN()
    model.extra = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="called once, but 'extra' is never called"):
        feature_maps(model, IMAGES, ["head", "extra"])


def test_a_map_that_is_changed_in_place_is_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with pytest.raises(ValueError, match="but that of '0' is changed in place by a later one: name that"):
        feature_maps(model, torch.randn(3, 2), ["0"])
    assert_close(feature_maps(model, torch.ones(3, 2), ["1"])["1"], model(torch.ones(3, 2)))
    with torch.inference_mode():  # nothing counts changes there: it is a copy
        inputs = -torch.ones(3, 2)
        assert_close(feature_maps(model, inputs, ["0"])["0"], model[0](inputs))
