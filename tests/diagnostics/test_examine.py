"""A planted mistake is found and nothing else; sound programs have no finding."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import CharGRUClassifier, LengthBucketBatchSampler, NameDataset, pack_collate, pad_collate
from practicezoo.diagnostics import check
from practicezoo.diagnostics.dry_run import tensors_in
from support.catalog import BLOCKS, MODELS
from support.planted import PLANTED
from support.programs import CLASSES, FEATURES, Program, classify, features, labels, mlp
from support.slow import slow_unless
from support.sound import SOUND

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
@pytest.mark.parametrize(
    ("code", "make"), PLANTED, ids=[f"{code}: {make.__name__}" for code, make in PLANTED]
)
def test_a_planted_mistake_is_found_and_nothing_else(code, make):
    (finding,) = make().check()
    assert finding.code == code
    assert str(finding) == f"{code}: {finding.message}. Fix: {finding.fix}"
    assert "\n" not in str(finding)
    assert not re.search(r"[^.]\.$", finding.message + "\n" + finding.fix, re.MULTILINE)


def test_every_code_is_planted_and_in_the_guide():
    folder = ROOT / "src" / "practicezoo" / "diagnostics"
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    # a code stands at the beginning of a finding, and of a row in a table of them
    codes = set(re.findall(r'^ *(?:"\w+": )?\(?"([a-z]+(?:-[a-z]+)+)"[,:]', sources, re.MULTILINE))
    codes -= {"cross-entropy", "bce-with-logits", "log-softmax", "log-sigmoid"}
    assert codes == {code for code, _ in PLANTED}
    guide = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[`([a-z0-9-]+)`\]", guide, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == codes


def test_several_mistakes_come_in_the_order_in_which_training_meets_them():
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


def random_targets(outputs):
    """What a criterion wants for these outputs, and the criterion."""
    num_classes = outputs.shape[1]
    if num_classes == 1:
        return torch.rand(outputs.shape).round(), nn.BCEWithLogitsLoss()
    return torch.randint(num_classes, (len(outputs), *outputs.shape[2:])), nn.CrossEntropyLoss()


@pytest.mark.parametrize("seed", slow_unless(range(3), {0}))
@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_no_model_of_the_library_has_a_finding(entry, seed):
    torch.manual_seed(seed)
    model = entry.build()
    (inputs,) = entry.example(16, torch.float32)
    targets, criterion = random_targets(model(inputs))
    assert check(model, [(inputs, targets)], criterion=criterion, optimizer=Adam(model.parameters())) == []


class Classifying(nn.Module):
    """A block, an activation and a linear layer for three classes."""

    def __init__(self, block, inputs):
        super().__init__()
        self.block = block
        self.head = nn.Linear(self.features(*inputs).shape[1], 3)

    def features(self, *inputs):
        return next(tensors_in(self.block(*inputs))).flatten(1)

    def forward(self, *inputs):
        return self.head(self.features(*inputs).relu())


@pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.name)
def test_no_block_of_the_library_has_a_finding(entry):
    torch.manual_seed(0)
    inputs = entry.example(16, torch.float32)
    model = Classifying(entry.build(), inputs)
    batch = inputs[0] if len(inputs) == 1 else inputs, labels(16)
    assert check(model, [batch], criterion=nn.CrossEntropyLoss(), optimizer=Adam(model.parameters())) == []


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_a_sound_program_has_no_finding(make):
    assert make().check() == []


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_fresh_network_has_no_finding(activation, depth):
    for seed in range(5):
        torch.manual_seed(seed)
        hidden = [layer for _ in range(depth) for layer in (nn.Linear(16, 16), activation())]
        assert classify(nn.Sequential(nn.Linear(FEATURES, 16), *hidden, nn.Linear(16, CLASSES))).check() == []


@pytest.mark.parametrize("collate", [pad_collate, pack_collate])
def test_batches_of_sequences_have_no_finding(collate):
    train, test = NameDataset.mini("train"), NameDataset.mini("test")
    sampler = LengthBucketBatchSampler(train.lengths, 32)
    loaders = [
        DataLoader(train, batch_sampler=sampler, collate_fn=collate, num_workers=2),
        DataLoader(test, 64, collate_fn=collate),
    ]
    model = CharGRUClassifier()
    assert (
        Program(model, loaders[0], nn.CrossEntropyLoss(), Adam(model.parameters()), loaders[1]).check() == []
    )


def test_nested_inputs_and_targets_are_looked_into():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(FEATURES, 1), nn.Linear(2, 1)

        def forward(self, left, right):
            return {"sum": self.left(left) + self.right(right[0])}

    batch = {"left": features(), "right": [torch.randn(32, 2)]}, {"sum": torch.randn(32, 1)}
    model = Wide()
    loss = nn.MSELoss()
    program = Program(model, [batch], lambda outputs, targets: loss(outputs["sum"], targets["sum"]))
    assert program.check() == []
    batch[0]["left"][0, 0] = torch.inf
    assert program.codes() == ["input-not-finite"]
