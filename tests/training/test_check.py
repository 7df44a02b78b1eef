"""The doctor finds every planted mistake, finds nothing in sound programs, and leaves no trace."""

import copy
import dataclasses
import random
import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, SparseAdam
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, RandomSampler, Sampler, TensorDataset

from catalog import MODELS
from practicezoo import (
    CharGRUClassifier,
    LengthBucketBatchSampler,
    NameDataset,
    PaddedSequence,
    SequenceEncoder,
    TensorLoader,
    pack_collate,
    pad_collate,
)
from practicezoo.data import load_images, synthetic_digits
from practicezoo.diagnostics import Finding, check
from training.planted import CLASSES, FEATURES, PLANTED, Program, classify, features, labels, mlp
from training.toys import classes, same_weights

ROOT = Path(__file__).parents[2]


def examine(program):
    return check(
        program.model,
        program.loader,
        criterion=program.criterion,
        optimizer=program.optimizer,
        val_loader=program.val_loader,
    )


# --- what it finds ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
@pytest.mark.parametrize(
    ("code", "make"), PLANTED, ids=[f"{code}: {make.__name__}" for code, make in PLANTED]
)
def test_a_planted_mistake_is_found_and_nothing_else(code, make):
    (finding,) = examine(make())
    assert finding.code == code
    assert str(finding) == f"{code}: {finding.message}. Fix: {finding.fix}"
    assert "\n" not in str(finding)
    assert not re.search(r"[^.]\.$", finding.message + "\n" + finding.fix, re.MULTILINE)


def test_every_code_is_planted_and_in_the_guide():
    folder = ROOT / "src" / "practicezoo" / "diagnostics"
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    # a code stands at the beginning of a finding, and of a row in a table of them
    codes = set(re.findall(r'^ *(?:"\w+": )?\(?"([a-z]+(?:-[a-z]+)+)"[,:]', sources, re.MULTILINE))
    codes -= {"cross-entropy", "bce-with-logits", "log-softmax"}
    assert codes == {code for code, _ in PLANTED}
    guide = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", guide, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == codes


def test_a_finding_is_frozen():
    finding = Finding("no-batch", "the loader gave no batch", "see that there is data")
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.code = "other"  # type: ignore[misc]


def test_several_mistakes_come_in_the_order_in_which_a_program_meets_them():
    model = mlp(nn.Softmax(dim=1))
    loader = DataLoader(TensorDataset(1000 * features(), labels()), batch_size=8, shuffle=True)
    found = check(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=SGD(model[:1].parameters(), lr=0))
    assert [finding.code for finding in found] == [
        "zero-learning-rate",
        "parameters-missed",
        "input-scale",
        "softmax-before-cross-entropy",
    ]
    assert found[1].message == "no optimizer has 2.weight, 2.bias"


def test_an_error_inside_the_model_names_its_layer():
    model = nn.Sequential(nn.Linear(FEATURES, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, CLASSES)))
    (finding,) = examine(classify(model))
    assert finding.message.startswith("the model failed in layer '1.1': RuntimeError: mat1 and mat2 shapes")


# --- what it does not find --------------------------------------------------------------------------------


def random_targets(outputs):
    """What a criterion wants for these outputs, and the criterion."""
    num_classes = outputs.shape[1]
    if num_classes == 1:
        return torch.rand(outputs.shape).round(), nn.BCEWithLogitsLoss()
    return torch.randint(num_classes, (len(outputs), *outputs.shape[2:])), nn.CrossEntropyLoss()


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_nothing_in_any_model_of_the_library(entry):
    for seed in range(3):
        torch.manual_seed(seed)
        model = entry.build()
        (inputs,) = entry.example(16, torch.float32)
        targets, criterion = random_targets(model(inputs))
        assert (
            check(model, [(inputs, targets)], criterion=criterion, optimizer=Adam(model.parameters())) == []
        )


def zero_head():
    model = mlp()
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    return classify(model)


class LowRank(nn.Module):
    """A frozen layer and a correction that starts at zero."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(FEATURES, CLASSES).requires_grad_(requires_grad=False)
        self.down, self.up = nn.Parameter(torch.randn(FEATURES, 2)), nn.Parameter(torch.zeros(2, CLASSES))

    def forward(self, inputs):
        return self.frozen(inputs) + inputs @ self.down @ self.up


def low_rank():
    model = LowRank()
    return classify(model, optimizer=Adam([model.down, model.up]))


def warm_up():
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    LambdaLR(optimizer, lambda step: step / 100)
    return classify(model, optimizer=optimizer)


def two_optimizers():
    model = nn.Sequential(nn.Embedding(30, 4, sparse=True), nn.Flatten(), nn.Linear(4 * FEATURES, CLASSES))
    optimizers = [SparseAdam(model[0].parameters()), Adam(model[2].parameters())]
    return classify(model, inputs=torch.randint(30, (32, FEATURES)), optimizer=optimizers)


def scaled_inside():
    inputs = features() * 100 + 50
    return classify(nn.Sequential(nn.BatchNorm1d(FEATURES), mlp()), inputs=inputs)


def old_weight_norm():
    """A module that keeps a tensor with a graph, which deepcopy refuses."""
    model = mlp()
    model.register_forward_hook(lambda module, _, outputs: module.__dict__.update(last=outputs))
    model(features())
    return classify(model)


def kept_order_of_one_batch():
    inputs, targets = features(), labels().sort().values
    return Program(mlp(), DataLoader(TensorDataset(inputs, targets), batch_size=32), nn.CrossEntropyLoss())


def last_batch_of_one_image():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, CLASSES)
    )
    data = TensorDataset(torch.randn(33, 1, 8, 8), labels(33))
    return Program(model, DataLoader(data, batch_size=16, shuffle=True), nn.CrossEntropyLoss())


class CentredInPlace(nn.Module):
    """Changes its inputs, as `x -= mean` in a forward does."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = SequenceEncoder(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, sequences):
        sequences.data.mul_(0.5)
        return self.head(self.encoder(sequences).final_state)


def sequences_changed_in_place():
    return classify(
        CentredInPlace(), inputs=PaddedSequence(torch.randn(32, 7, FEATURES), torch.arange(32) % 7 + 1)
    )


def regression(criterion=None, inputs=None, last=()):
    inputs = features() if inputs is None else inputs
    model = nn.Sequential(nn.Linear(inputs.shape[1], 8), nn.Tanh(), nn.Linear(8, 1), *last)
    return Program(model, [(inputs, torch.rand(len(inputs), 1))], criterion or nn.MSELoss())


SOUND = {
    "a last layer that starts at zero": zero_head,
    "a low-rank correction": low_rank,
    "a schedule that starts at zero": warm_up,
    "two optimizers and sparse gradients": two_optimizers,
    "inputs that the model scales": scaled_inside,
    "inputs that the model changes in place": sequences_changed_in_place,
    "a module that keeps its outputs": old_weight_norm,
    "one batch in a fixed order": kept_order_of_one_batch,
    "a last batch of one image": last_batch_of_one_image,
    "log-softmax and NLL": lambda: classify(mlp(nn.LogSoftmax(dim=1)), criterion=nn.NLLLoss()),
    "sigmoid and BCE": lambda: regression(nn.BCELoss(), last=[nn.Sigmoid()]),
    "sigmoid and squared error": lambda: regression(last=[nn.Sigmoid()]),
    "a criterion of one's own": lambda: regression(lambda outputs, targets: (outputs - targets).abs().mean()),
    "grey values between 0 and 1": lambda: regression(inputs=torch.rand(32, 784)),
    "hours": lambda: regression(inputs=torch.arange(1.0, 11)[:, None]),
    "class probabilities": lambda: classify(targets=torch.rand(32, CLASSES).softmax(dim=1)),
    "ignored targets": lambda: classify(targets=torch.tensor([-100, 0, 1, 2] * 8)),
    "several answers": lambda: classify(
        targets=torch.rand(32, CLASSES).round(), criterion=nn.BCEWithLogitsLoss(reduction="sum")
    ),
    "a class for each pixel": lambda: classify(
        nn.Conv2d(3, 4, 3, padding=1), inputs=torch.randn(4, 3, 8, 8), targets=torch.randint(4, (4, 8, 8))
    ),
    "prices": lambda: Program(mlp(outputs=1), [(features(), 2e5 + torch.randn(32, 1) * 1e5)], nn.MSELoss()),
    "a batch of one": lambda: classify(inputs=features(1)),
    "a quarter of dead units": lambda: classify(
        nn.Sequential(mlp(outputs=64), nn.ReLU(), nn.Linear(64, CLASSES))
    ),
}


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_nothing_in_a_sound_program(make):
    assert examine(make()) == []


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_nothing_in_a_fresh_network(activation, depth):
    for seed in range(5):
        torch.manual_seed(seed)
        hidden = [layer for _ in range(depth) for layer in (nn.Linear(16, 16), activation())]
        assert (
            examine(classify(nn.Sequential(nn.Linear(FEATURES, 16), *hidden, nn.Linear(16, CLASSES)))) == []
        )


# --- labels of two splits ---------------------------------------------------------------------------------


def without(tensors, missing):
    """The samples of all but one class, numbered as a list without it would."""
    inputs, targets = tensors
    rows = (targets != missing).nonzero().flatten()
    kept = inputs.rows(rows) if hasattr(inputs, "rows") else inputs[rows]
    return kept, targets[rows] - (targets[rows] > missing).long()


def compare(train, val, model=None, **settings):
    loaders = [TensorLoader(*each, batch_size=64, shuffle=True, **settings) for each in (train, val)]
    model = model or CharGRUClassifier()
    return [
        finding.code
        for finding in check(model, loaders[0], criterion=nn.CrossEntropyLoss(), val_loader=loaders[1])
    ]


def test_names_whose_splits_number_their_classes_differently():
    train, test = (NameDataset.mini(split).tensors() for split in ("train", "test"))
    for seed in range(8):
        torch.manual_seed(seed)
        assert compare(train, test) == []
        assert compare(train, without(test, missing=seed)) == ["class-lists-differ"]


@pytest.mark.realdata("course/names_train.csv.gz", "course/names_test.csv.gz")
def test_the_courses_names_whose_splits_number_their_classes_differently(data_root):
    train_set = NameDataset(data_root / "course" / "names_train.csv.gz")
    test_set = NameDataset(data_root / "course" / "names_test.csv.gz", classes=train_set.classes)
    train, test = train_set.tensors(), test_set.tensors()
    for seed in range(5):
        torch.manual_seed(seed)
        assert compare(train, test) == []
    for missing in range(train_set.classes.index("Russian")):  # half of all names: no later class shows
        assert compare(train, without(test, missing)) == ["class-lists-differ"]


@pytest.mark.realdata("MNIST/raw/train-images-idx3-ubyte.gz", "MNIST/raw/t10k-images-idx3-ubyte.gz")
def test_mnist_whose_splits_number_their_classes_differently(data_root):
    train, test = (load_images("mnist", split, root=data_root) for split in ("train", "test"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    settings = {"model": model, "transform": train.normalize}
    for seed in range(5):
        torch.manual_seed(seed)
        assert compare(train.tensors(), test.tensors(), **settings) == []
    for missing in range(9):
        assert compare(train.tensors(), without(test.tensors(), missing), **settings) == [
            "class-lists-differ"
        ]


def test_labels_and_inputs_without_meaning_show_nothing():
    for seed in range(10):
        torch.manual_seed(seed)
        train, val = ((torch.randn(2000, FEATURES), torch.randint(4, (2000,))) for _ in range(2))
        assert compare(train, val, model=mlp(outputs=4)) == []


def test_packed_batches_and_sorted_validation_data_are_compared():
    train, test = NameDataset.mini("train"), NameDataset.mini("test")
    # no class lists in sight: the samples are a plain list
    samples = [[dataset[index] for index in range(len(dataset))] for dataset in (train, test)]
    samples[1] = [(ids, label - (label > 2)) for ids, label in samples[1] if label != 2]
    loaders = [
        DataLoader(samples[0], batch_size=64, shuffle=True, collate_fn=pack_collate),
        DataLoader(sorted(samples[1], key=lambda sample: sample[1]), batch_size=64, collate_fn=pack_collate),
    ]
    program = Program(CharGRUClassifier(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])
    assert [finding.code for finding in examine(program)] == ["class-lists-differ"]


# --- what it leaves as it was -----------------------------------------------------------------------------


class Restless(nn.Module):
    """Changes whatever a model can change, and fails if it is told to."""

    def __init__(self, *, fails=False):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.register_buffer("calls", torch.zeros(1), persistent=False)
        self.history = []
        self.fails = fails

    def forward(self, inputs):
        self.calls += random.random() + np.random.rand() + torch.rand(1)  # noqa: NPY002, S311
        self.history.append(len(inputs))
        inputs.add_(1)
        with torch.no_grad():
            self.layers[0].weight.mul_(2)
        outputs = self.layers(inputs)
        if self.fails:
            raise RuntimeError("no luck")
        return outputs


def shuffled(**settings):
    return DataLoader(TensorDataset(*classes()), batch_size=8, shuffle=True, **settings)


class InPlace(Sampler):
    """Shuffles a list of its own, with a generator of its own."""

    def __init__(self):
        self.order = list(range(30))
        self.random = random.Random(3)  # noqa: S311
        self.numpy = np.random.default_rng(3)
        self.num_epochs = 0

    def __iter__(self):
        self.num_epochs += 1
        self.random.shuffle(self.order)
        yield from self.numpy.permutation(self.order).tolist()

    def __len__(self):
        return len(self.order)


LOADERS = {
    "a list": lambda: [classes(20), classes(10)],
    "TensorLoader": lambda: TensorLoader(*classes(), batch_size=8),
    "TensorLoader, shuffled": lambda: TensorLoader(*classes(), batch_size=8, shuffle=True),
    "TensorLoader with a generator": lambda: TensorLoader(
        *classes(), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "DataLoader": shuffled,
    "DataLoader with a generator": lambda: shuffled(generator=torch.Generator().manual_seed(3)),
    "DataLoader with workers": lambda: shuffled(num_workers=1, persistent_workers=True, pin_memory=True),
    "a sampler with a generator": lambda: DataLoader(
        TensorDataset(*classes()),
        batch_size=8,
        sampler=RandomSampler(range(30), generator=torch.Generator().manual_seed(3)),
    ),
    "a sampler with a state": lambda: DataLoader(TensorDataset(*classes()), batch_size=8, sampler=InPlace()),
}


def trace(model, optimizer, loader):
    """Everything that a look could leave behind, as plain values."""
    sampler = getattr(loader, "sampler", None)
    return [
        [(name, tensor.tolist()) for name, tensor in (*model.named_parameters(), *model.named_buffers())],
        [None if each.grad is None else each.grad.tolist() for each in model.parameters()],
        [
            (module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for module in model.modules()
        ],
        list(model.history),
        repr(optimizer.state_dict()),
        [random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()],  # noqa: NPY002
        sorted(vars(loader)) if hasattr(loader, "__dict__") else None,
        [sampler.num_epochs, sampler.order[:]] if isinstance(sampler, InPlace) else None,
        [getattr(loader, name, None) for name in ("_iterator", "num_workers", "pin_memory")],
    ]


def in_training(*, fails):
    """A model in the middle of its training, with gradients and momentum, one layer in evaluation mode."""
    torch.manual_seed(0)
    model = Restless()
    optimizer = Adam(model.parameters())
    inputs, targets = classes()
    nn.functional.cross_entropy(model(inputs.clone()), targets).backward()
    optimizer.step()
    model.layers[1].eval()
    model.fails = fails
    return model, optimizer


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", LOADERS)
def test_a_look_changes_nothing(kind, fails):
    model, optimizer = in_training(fails=fails)
    loader = LOADERS[kind]()
    before = trace(model, optimizer, loader)
    found = check(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, val_loader=loader)
    assert [finding.code for finding in found] == (["forward-fails"] if fails else [])
    assert trace(model, optimizer, loader) == before


@pytest.mark.parametrize("kind", [kind for kind in LOADERS if "workers" not in kind])
def test_training_goes_on_as_if_nobody_had_looked(kind):
    def batches(look):
        model, optimizer = in_training(fails=False)
        loader = LOADERS[kind]()
        if look:
            check(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, val_loader=loader)
        return [(inputs.tolist(), targets.tolist()) for _ in range(2) for inputs, targets in loader]

    assert batches(look=True) == batches(look=False)


def test_a_criterions_parameters_and_buffers_stay():
    class Centers(nn.Module):
        def __init__(self):
            super().__init__()
            self.centers = nn.Parameter(torch.randn(CLASSES, CLASSES))
            self.seen: torch.Tensor
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, outputs, targets):
            self.seen += len(targets)
            return (outputs - self.centers[targets]).square().mean()

    criterion = Centers()
    before = copy.deepcopy(criterion)
    model = mlp()
    parameters = [*model.parameters(), *criterion.parameters()]
    assert examine(classify(model, criterion=criterion, optimizer=Adam(parameters))) == []
    (finding,) = examine(classify(model, criterion=criterion, optimizer=Adam(model.parameters())))
    assert finding.message == "no optimizer has criterion.centers"
    assert same_weights(criterion, before)
    assert criterion.centers.grad is None


def test_tensors_outside_the_model_get_no_gradient():
    weight = torch.ones(CLASSES, requires_grad=True)
    (finding,) = examine(
        classify(criterion=lambda outputs, targets: nn.functional.cross_entropy(outputs * weight, targets))
    )
    assert finding.code == "unregistered-parameters"
    assert weight.grad is None


def test_a_keyboard_interrupt_goes_through_and_leaves_nothing():
    class Interrupted(nn.Linear):
        def forward(self, inputs):
            torch.rand(1)
            raise KeyboardInterrupt

    program = classify(Interrupted(FEATURES, CLASSES))
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        examine(program)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_looks_under_no_grad_too(mode):
    with mode():
        assert examine(classify()) == []


# --- what it works with -----------------------------------------------------------------------------------


@pytest.mark.parametrize("collate", [pad_collate, pack_collate])
def test_sequences(collate):
    train, test = NameDataset.mini("train"), NameDataset.mini("test")
    sampler = LengthBucketBatchSampler(train.lengths, 32)
    loaders = [
        DataLoader(train, batch_sampler=sampler, collate_fn=collate, num_workers=2),
        DataLoader(test, 64, collate_fn=collate),
    ]
    model = CharGRUClassifier()
    assert (
        examine(Program(model, loaders[0], nn.CrossEntropyLoss(), Adam(model.parameters()), loaders[1])) == []
    )


def test_nested_inputs_and_targets():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(FEATURES, 1), nn.Linear(2, 1)

        def forward(self, inputs):
            return {"sum": self.left(inputs["left"]) + self.right(inputs["right"][0])}

    batch = {"left": features(), "right": [torch.randn(32, 2)]}, {"sum": torch.randn(32, 1)}
    model = Wide()
    loss = nn.MSELoss()
    program = Program(model, [batch], lambda outputs, targets: loss(outputs["sum"], targets["sum"]))
    assert examine(program) == []
    batch[0]["left"][0, 0] = torch.inf
    assert [finding.code for finding in examine(program)] == ["input-not-finite"]


def test_a_compiled_model_is_looked_at_as_it_was_written():
    model = mlp()
    compiled = torch.compile(model)
    assert examine(classify(compiled, optimizer=Adam(compiled.parameters()))) == []


def test_a_lazy_layer_stays_lazy():
    model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, CLASSES))
    assert examine(classify(model)) == []
    assert isinstance(model[0], nn.LazyLinear)


def test_no_worker_is_started(monkeypatch):
    digits = synthetic_digits(300, seed=0)
    data = TensorDataset(digits.normalize(digits.images), digits.targets)
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=2)
    model = nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(1440, 10))
    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter", None)
    assert examine(Program(model, loader, nn.CrossEntropyLoss(), None, loader)) == []
    with pytest.raises(TypeError):
        next(iter(loader))


def test_on_cuda(cuda):
    model = mlp().to(cuda)
    state = torch.cuda.get_rng_state()
    assert examine(classify(model, optimizer=Adam(model.parameters()))) == []
    assert torch.equal(torch.cuda.get_rng_state(), state)
    (finding,) = examine(classify(model, targets=labels() + 1))  # no assertion on the device
    assert finding.code == "target-out-of-range"
    (finding,) = examine(classify(model, criterion=nn.CrossEntropyLoss(weight=torch.ones(CLASSES))))
    assert finding.code == "devices-differ"
    assert (torch.ones(1, device=cuda) + 1).item() == 2


# --- what it refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": nn.ReLU}, TypeError, "model must be an instance, got the class ReLU"),
        ({"model": len}, TypeError, "model must be a torch.nn.Module, got builtin_function_or_method"),
        ({"criterion": nn.MSELoss}, TypeError, "criterion must be an instance, got the class MSELoss"),
        ({"criterion": 3}, TypeError, "criterion must be callable, got int"),
        ({"optimizer": SGD}, TypeError, "optimizer must be an instance, got the class SGD"),
        ({"optimizer": 0.1}, TypeError, "optimizer must be an optimizer or several, got float"),
        ({"optimizer": [0.1]}, TypeError, "optimizer must be an optimizer or several, got float"),
        (
            {"loader": iter([])},
            ValueError,
            "loader must be a loader or a list that can be iterated over again, got list_it",
        ),
        ({"loader": 3}, TypeError, "loader must be an iterable of batches, got int"),
        (
            {"val_loader": iter([])},
            ValueError,
            "val_loader must be a loader or a list that can be iterated over again",
        ),
        ({"val_loader": 3}, TypeError, "val_loader must be an iterable of batches, got int"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    sound = {
        "model": mlp(),
        "loader": [(features(), labels())],
        "criterion": nn.CrossEntropyLoss(),
    } | arguments
    with pytest.raises(error, match=re.escape(message)):
        partial(check, sound.pop("model"), sound.pop("loader"))(**sound)


def test_a_scripted_model_is_refused():
    with warnings.catch_warnings(action="ignore"):  # torch would rather have it compiled
        traced = torch.jit.trace(mlp(), features())
    with pytest.raises(TypeError, match="model must be in Python to be looked into, got a scripted module"):
        examine(classify(nn.Sequential(traced)))
