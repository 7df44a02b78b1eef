"""Programs with one mistake each, as beginners make them, by the code of the finding."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, LRScheduler, StepLR
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from practicezoo import CharGRUClassifier, NameDataset, PaddedSequence, TensorLoader, pad_collate
from practicezoo.data import synthetic_digits
from support.programs import (
    CLASSES,
    FEATURES,
    N,
    Program,
    classify,
    decide,
    features,
    labels,
    mlp,
    regress,
)

PLANTED: list[tuple[str, Callable[[], Program]]] = []


def plant(code: str):
    """Register a program with the mistake that has this code."""

    def register(make):
        PLANTED.append((code, make))
        return make

    return register


class Net(nn.Module):
    """The small classifier, with a forward of one's own."""

    def __init__(self, forward: Callable[["Net", Tensor], Any]) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(FEATURES, 16), nn.Linear(16, CLASSES)
        self.spare = nn.Linear(16, 16)
        self.spare.requires_grad_(requires_grad=False)
        self.run = forward

    def forward(self, inputs: Tensor) -> Any:
        return self.run(self, inputs)


def through(net: Net, inputs: Tensor) -> Tensor:
    return net.head(net.hidden(inputs).relu())


# --- activations before the criterion --------------------------------------------------------------------


@plant("softmax-before-cross-entropy")
def softmax() -> Program:
    return classify(mlp(nn.Softmax(dim=1)))


@plant("softmax-before-cross-entropy")
def softmax_by_hand() -> Program:
    def by_hand(net: Net, inputs: Tensor) -> Tensor:
        raised = through(net, inputs).exp()
        return raised / raised.sum(dim=1, keepdim=True)

    return classify(Net(by_hand))


@plant("softmax-before-cross-entropy")
def softmax_inside_a_criterion() -> Program:
    return classify(
        criterion=lambda outputs, targets: nn.functional.cross_entropy(outputs.softmax(1), targets)
    )


@plant("log-softmax-before-cross-entropy")
def log_softmax() -> Program:
    return classify(mlp(nn.LogSoftmax(dim=1)))


@plant("sigmoid-before-cross-entropy")
def sigmoid_for_classes() -> Program:
    return classify(mlp(nn.Sigmoid()))


@plant("relu-before-cross-entropy")
def relu_at_the_end() -> Program:
    return classify(mlp(nn.ReLU()))


@plant("sigmoid-before-bce-with-logits")
def sigmoid() -> Program:
    return decide(mlp(nn.Sigmoid(), outputs=1))


@plant("sigmoid-before-bce-with-logits")
def sigmoid_then_squeezed() -> Program:
    model = Net(lambda net, inputs: through(net, inputs).sigmoid()[:, :1].squeeze(1).view(-1))
    return decide(model, targets=labels(num_classes=2).float())


@plant("softmax-before-bce-with-logits")
def softmax_for_binary_targets() -> Program:
    return decide(
        mlp(nn.Softmax(dim=1), outputs=2), targets=nn.functional.one_hot(labels(num_classes=2)).float()
    )


@plant("relu-before-bce-with-logits")
def relu_before_a_sigmoid() -> Program:
    return decide(mlp(nn.ReLU(), outputs=1))


@plant("bce-needs-probabilities")
def logits_into_bce() -> Program:
    return decide(criterion=nn.BCELoss())


@plant("bce-needs-probabilities")
def logits_that_happen_to_lie_between_0_and_1() -> Program:
    model = nn.Linear(FEATURES, 1)
    nn.init.constant_(model.weight, 0.01)
    nn.init.constant_(model.bias, 0.5)
    return decide(model, criterion=nn.BCELoss())


@plant("nll-needs-log-probabilities")
def logits_into_nll() -> Program:
    return classify(criterion=nn.NLLLoss())


@plant("nll-needs-log-probabilities")
def probabilities_into_nll() -> Program:
    return classify(mlp(nn.Softmax(dim=1)), criterion=nn.NLLLoss())


@plant("kl-needs-log-probabilities")
def probabilities_into_kl() -> Program:
    targets = torch.rand(N, CLASSES).softmax(dim=1)
    return classify(mlp(nn.Softmax(dim=1)), targets=targets, criterion=nn.KLDivLoss(reduction="batchmean"))


# --- targets ----------------------------------------------------------------------------------------------


@plant("target-out-of-range")
def classes_from_1() -> Program:
    return classify(targets=labels() + 1)


@plant("target-out-of-range")
def minus_one_for_unknown() -> Program:
    return classify(targets=labels() - 1)


@plant("target-out-of-range")
def minus_one_for_no() -> Program:
    return decide(targets=labels(num_classes=2)[:, None].float() * 2 - 1)


@plant("too-few-outputs")
def a_class_too_many() -> Program:
    return classify(targets=labels(num_classes=CLASSES + 1))


@plant("too-few-outputs")
def a_rare_class_too_many() -> Program:
    targets = labels(200)
    targets[150] = CLASSES  # not in the first batch
    return Program(mlp(), TensorLoader(features(200), targets, batch_size=50), nn.CrossEntropyLoss())


@plant("target-type")
def floats_for_classes() -> Program:
    return classify(targets=labels().float())


@plant("target-type")
def int32_for_classes() -> Program:
    return classify(targets=labels().int())


@plant("target-type")
def integers_for_binary_targets() -> Program:
    return decide(targets=labels(num_classes=2)[:, None])


class Named(Dataset):
    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        return torch.ones(FEATURES) * index / N, "cat" if index % 2 else "dog"


@plant("target-type")
def labels_as_text() -> Program:
    return Program(mlp(), DataLoader(Named(), batch_size=8), nn.CrossEntropyLoss())


@plant("one-hot-targets")
def one_hot() -> Program:
    return classify(targets=nn.functional.one_hot(labels()))


@plant("target-not-probabilities")
def several_classes() -> Program:
    return classify(targets=(torch.rand(N, CLASSES) > 0.4).float().fill_diagonal_(1))


@plant("target-shape")
def a_column_of_classes() -> Program:
    return classify(targets=labels()[:, None])


@plant("target-shape")
def a_row_of_binary_targets() -> Program:
    return decide(targets=labels(num_classes=2).float())


@plant("target-shape")
def classes_last() -> Program:
    return classify(inputs=torch.randn(N, 7, FEATURES), targets=torch.randint(CLASSES, (N, 7)))


@plant("silent-broadcast")
def a_row_of_targets() -> Program:
    return regress(targets=torch.randn(N))


@plant("silent-broadcast")
def a_row_of_targets_in_a_criterion_of_ones_own() -> Program:
    return regress(
        targets=torch.randn(N), criterion=lambda outputs, targets: (targets - outputs).square().mean()
    )


@plant("silent-broadcast")
def three_outputs_for_one_target() -> Program:
    return Program(mlp(), [(features(), torch.randn(N, 1))], nn.MSELoss())


@plant("silent-broadcast")
def one_output_for_three_targets() -> Program:
    return Program(mlp(outputs=1), [(features(), torch.randn(N, CLASSES))], nn.MSELoss())


@plant("target-not-finite")
def missing_targets() -> Program:
    targets = torch.randn(N, 1)
    targets[3] = torch.nan
    return regress(targets=targets)


@plant("batch-size-differs")
def view_with_a_wrong_number() -> Program:
    model = Net(lambda net, inputs: through(net, inputs.reshape(-1, FEATURES)))
    return classify(model, inputs=torch.randn(16, 2, FEATURES), targets=labels(16))


@plant("one-class-cross-entropy")
def one_output() -> Program:
    return classify(mlp(outputs=1), targets=labels(num_classes=2)[:, None].float())


# --- inputs and loaders -----------------------------------------------------------------------------------


@plant("input-not-finite")
def missing_values() -> Program:
    inputs = features()
    inputs[2, 1] = torch.nan
    return classify(inputs=inputs)


@plant("input-scale")
def years_and_prices() -> Program:
    return classify(inputs=torch.cat([features()[:, 1:], 2000 + torch.randn(N, 1)], dim=1))


def images(pixels: Tensor) -> Program:
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    return Program(model, [(pixels, labels(N, 10))], nn.CrossEntropyLoss())


@plant("input-scale")
def grey_values_to_255() -> Program:
    return images(synthetic_digits(N, seed=0).images.float())


@plant("input-dtype")
def bytes_for_images() -> Program:
    # the finding for the type hides that of the scale
    return images(synthetic_digits(N, seed=0).images.clamp(max=9))


@plant("input-dtype")
def doubles_from_numpy() -> Program:
    return classify(inputs=features().double())


@plant("constant-inputs")
def the_same_sample_again_and_again() -> Program:
    return classify(inputs=torch.randn(1, FEATURES).repeat(N, 1))


@plant("zero-length")
def an_empty_sequence() -> Program:
    padded = PaddedSequence(torch.randint(1, 128, (N, 6)), torch.arange(N) % 7)
    return Program(CharGRUClassifier(), [(padded, labels(num_classes=18))], nn.CrossEntropyLoss())


@plant("ids-out-of-range")
def an_embedding_too_small() -> Program:
    model = nn.Sequential(nn.Embedding(100, 4), nn.Flatten(), nn.Linear(4 * 6, CLASSES))
    return classify(model, inputs=torch.arange(N * 6).view(N, 6) % 128)


@plant("class-lists-differ")
def each_split_its_own_class_list() -> Program:
    rows = [("Abe", "Japanese"), ("Kim", "Korean"), ("Li", "Chinese"), ("Nguyen", "Vietnamese")] * 4
    train, val = NameDataset(rows), NameDataset([row for row in rows if row[1] != "Chinese"])
    loaders = [DataLoader(data, 16, shuffle=True, collate_fn=pad_collate) for data in (train, val)]
    return Program(CharGRUClassifier(num_classes=4), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("class-lists-differ")
def digits_without_the_first() -> Program:
    train, val = synthetic_digits(2000, seed=0), synthetic_digits(400, seed=1)
    kept = val.targets > 0  # the validation folder has no zeros, so its ones are called 0
    loaders = [
        TensorLoader(*tensors, batch_size=100, shuffle=True, transform=train.normalize)
        for tensors in (train.tensors(), (val.images[kept], val.targets[kept] - 1))
    ]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    return Program(model, loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("sorted-targets")
def folders_in_their_order() -> Program:
    targets = labels(120).sort().values
    loader = DataLoader(TensorDataset(features(120), targets), batch_size=20)
    return Program(mlp(), loader, nn.CrossEntropyLoss())


def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))


@plant("batch-norm-of-one")
def batches_of_one() -> Program:
    return Program(
        normed(), TensorLoader(features(), labels(), batch_size=1, shuffle=True), nn.CrossEntropyLoss()
    )


@plant("last-batch-of-one")
def one_sample_is_left() -> Program:
    data = TensorDataset(features(33), labels(33))
    return Program(normed(), DataLoader(data, batch_size=16, shuffle=True), nn.CrossEntropyLoss())


@plant("unpicklable-collate")
def a_lambda_for_workers() -> Program:
    data = TensorDataset(features(), labels())
    collate = lambda batch: torch.utils.data.default_collate(batch)  # noqa: E731, PLW0108
    return Program(
        mlp(), DataLoader(data, 8, shuffle=True, num_workers=2, collate_fn=collate), nn.CrossEntropyLoss()
    )


@plant("unpicklable-dataset")
def a_lambda_in_the_data_set() -> Program:
    data = TensorDataset(features(), labels())
    data.transform = lambda image: image / 255
    return Program(mlp(), DataLoader(data, 8, shuffle=True, num_workers=2), nn.CrossEntropyLoss())


@plant("no-batch")
def fewer_samples_than_a_batch() -> Program:
    data = TensorDataset(features(), labels())
    return Program(mlp(), DataLoader(data, batch_size=64, drop_last=True), nn.CrossEntropyLoss())


@plant("batch-not-a-pair")
def inputs_alone() -> Program:
    return Program(mlp(), DataLoader(features(), batch_size=8), nn.CrossEntropyLoss())


@plant("loader-fails")
def lengths_that_differ() -> Program:
    names = NameDataset.mini("train")
    return Program(CharGRUClassifier(), DataLoader(names, batch_size=8), nn.CrossEntropyLoss())


# --- optimizers -------------------------------------------------------------------------------------------


@plant("foreign-optimizer")
def the_optimizer_of_another_model() -> Program:
    return classify(optimizer=SGD(mlp().parameters(), lr=0.1))


@plant("parameters-missed")
def a_head_replaced_after_the_optimizer() -> Program:
    model = mlp()
    optimizer = Adam(model.parameters())
    model[2] = nn.Linear(16, CLASSES)
    return classify(model, optimizer=optimizer)


@plant("parameter-twice")
def two_optimizers_for_a_layer() -> Program:
    model = mlp()
    return classify(model, optimizer=[Adam(model.parameters()), SGD(model[2].parameters(), lr=0.1)])


@plant("zero-learning-rate")
def no_step_at_all() -> Program:
    model = mlp()
    return classify(model, optimizer=SGD(model.parameters(), lr=0))


@plant("all-frozen")
def everything_frozen() -> Program:
    return classify(mlp().requires_grad_(requires_grad=False))


# --- the network and its gradients ------------------------------------------------------------------------


@plant("no-gradient")
def the_same_half_twice() -> Program:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(FEATURES, 8, batch_first=True, bidirectional=True)
            self.head = nn.Linear(16, CLASSES)

        def forward(self, inputs: Tensor) -> Tensor:
            _, state = self.gru(inputs)
            return self.head(torch.cat([state[-1], state[-1]], dim=1))

    return classify(Both(), inputs=torch.randn(N, 7, FEATURES))


@plant("no-gradient")
def data_in_the_middle() -> Program:
    return classify(Net(lambda net, inputs: net.head(net.hidden(inputs).relu().data)))


@plant("no-gradient")
def detached_in_the_middle() -> Program:
    return classify(Net(lambda net, inputs: net.head(net.hidden(inputs).detach().relu())))


@plant("no-gradient")
def a_layer_without_gradients() -> Program:
    class Features(nn.Linear):
        @torch.no_grad()
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs)

    return classify(nn.Sequential(Features(FEATURES, 16), nn.ReLU(), nn.Linear(16, CLASSES)))


@plant("no-gradient")
def a_hook_that_erases_a_weights_gradient() -> Program:
    model = mlp()
    model[0].weight.register_hook(torch.zeros_like)
    return classify(model)


@plant("zero-gradients")
def hooks_that_erase_all_gradients() -> Program:
    model = mlp()
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: gradient * 0)
    return classify(model)


@plant("no-graph")
def frozen_in_forward() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        for parameter in net.parameters():
            parameter.requires_grad = False
        return through(net, inputs)

    return classify(Net(forward))


@plant("unregistered-parameters")
def layers_in_a_list() -> Program:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)]
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layers[1](self.layers[0](inputs).relu()) * self.scale

    return classify(Listed())


@plant("no-graph")
def outputs_cut_off_from_the_graph() -> Program:
    return regress(criterion=lambda outputs, targets: nn.functional.mse_loss(outputs.detach(), targets))


@plant("no-graph")
def a_loss_read_too_early() -> Program:
    return regress(criterion=lambda outputs, targets: nn.functional.mse_loss(outputs, targets).item())


@plant("loss-not-scalar")
def no_reduction() -> Program:
    return classify(criterion=nn.CrossEntropyLoss(reduction="none"))


@plant("loss-not-finite")
def the_logarithm_of_0() -> Program:
    return regress(criterion=lambda outputs, targets: (outputs - targets).relu().log().mean())


@plant("gradient-not-finite")
def the_root_of_0() -> Program:
    return regress(
        criterion=lambda outputs, targets: (outputs - outputs.detach()).norm(dim=1).pow(1.5).sqrt().sum()
    )


@plant("zero-gradients")
def rounded() -> Program:
    return regress(criterion=lambda outputs, targets: (outputs.round() - targets).square().mean())


@plant("dead-relus")
def a_bias_far_below_0() -> Program:
    model = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    nn.init.constant_(model[0].bias, -100)
    return classify(model)


@plant("vanishing-gradients")
def a_dozen_sigmoids() -> Program:
    hidden = [layer for _ in range(12) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return classify(nn.Sequential(nn.Linear(FEATURES, 16), *hidden, nn.Linear(16, CLASSES)))


@plant("exploding-gradients")
def weights_of_standard_deviation_1() -> Program:
    hidden = [layer for _ in range(6) for layer in (nn.Linear(128, 128), nn.ReLU())]
    model = nn.Sequential(nn.Linear(FEATURES, 128), *hidden, nn.Linear(128, CLASSES))
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return classify(model)


@plant("constant-output")
def forward_ignores_its_argument() -> Program:
    return classify(Net(lambda net, inputs: through(net, torch.ones_like(inputs))))


@plant("padding-read")
def a_recurrent_layer_over_the_padding() -> Program:
    class Naive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.gru = nn.Embedding(128, 8), nn.GRU(8, 8, batch_first=True)
            self.head = nn.Linear(8, 18)

        def forward(self, names: PaddedSequence) -> Tensor:
            return self.head(self.gru(self.embedding(names.data))[1][-1])

    loader = DataLoader(NameDataset.mini("train"), 32, shuffle=True, collate_fn=pad_collate)
    return Program(Naive(), loader, nn.CrossEntropyLoss())


# --- what fails -------------------------------------------------------------------------------------------


@plant("forward-fails")
def a_layer_of_another_width() -> Program:
    return classify(nn.Sequential(nn.Linear(FEATURES, 16), nn.Linear(8, CLASSES)))


@plant("criterion-fails")
def a_criterion_with_a_slip() -> Program:
    return regress(criterion=lambda outputs, targets: outputs.men() - targets.mean())


@plant("backward-fails")
def changed_in_place() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = net.hidden(inputs).sigmoid()
        hidden += 1
        return net.head(hidden)

    return classify(Net(forward))


@plant("evaluation-fails")
def a_slip_in_evaluation_mode() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        return through(net, inputs) if net.training else net.softmax(through(net, inputs))

    return classify(Net(forward))


@plant("evaluation-fails")
def derivatives_without_gradients() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        inputs = inputs.detach().requires_grad_()
        outputs = through(net, inputs)
        (slopes,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
        return outputs + slopes.square().sum(dim=1, keepdim=True)

    program = classify(Net(forward))
    program.val_loader = [(features(), labels())]
    return program


@plant("copy-fails")
def a_batch_that_cannot_be_copied() -> Program:
    class Stubborn(nn.Module):
        def __deepcopy__(self, memo: object) -> "Stubborn":
            raise TypeError("no copies")

    return classify(Stubborn())


@plant("devices-differ")
def a_criterion_left_behind() -> Program:
    return classify(criterion=nn.CrossEntropyLoss(weight=torch.ones(CLASSES, device="meta")))


# --- behaviour in evaluation mode -------------------------------------------------------------------------


class Recurrent(nn.Module):
    """A recurrent classifier of sequences, with a forward of one's own."""

    def __init__(self, forward: Callable[["Recurrent", Tensor], Tensor], *, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(FEATURES, 8, batch_first=batch_first), nn.Linear(8, CLASSES)
        self.run = forward

    def forward(self, inputs: Tensor) -> Tensor:
        return self.run(self, inputs)


def sequences(num_steps: int = 7) -> Tensor:
    return torch.randn(N, num_steps, FEATURES)


@plant("samples-mixed")
def lstm_without_batch_first() -> Program:
    model = Recurrent(lambda net, inputs: net.head(net.lstm(inputs)[0][:, -1]), batch_first=False)
    return classify(model, inputs=sequences())


@plant("samples-mixed")
def attention_without_batch_first() -> Program:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=False)
    model = nn.Sequential(nn.Linear(FEATURES, 8), layer, nn.Flatten(), nn.Linear(8 * 7, CLASSES))
    return classify(model, inputs=sequences())


@plant("samples-mixed")
def view_for_transpose() -> Program:
    def forward(net: Recurrent, inputs: Tensor) -> Tensor:
        steps_first = inputs.reshape(7, -1, FEATURES)
        return net.head(net.lstm(steps_first)[1][0][-1])

    return classify(Recurrent(forward, batch_first=False), inputs=sequences())


@plant("samples-mixed")
def softmax_over_the_batch() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = net.hidden(inputs).relu()
        return net.head(hidden * net.spare(hidden).softmax(dim=0) * len(inputs))

    return classify(Net(forward))


@plant("samples-mixed")
def scaled_by_the_batch() -> Program:
    return classify(Net(lambda net, inputs: through(net, (inputs - inputs.mean(dim=0)) / inputs.std(dim=0))))


@plant("samples-mixed")
def a_norm_over_the_batch() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = net.hidden(inputs).relu()
        return net.head(10 * hidden / hidden.norm())

    return classify(Net(forward))


@plant("samples-mixed")
def scaled_by_the_batchs_extremes() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        lowest, highest = inputs.min(), inputs.max()
        return through(net, (inputs - lowest) / (highest - lowest))

    return classify(Net(forward))


@plant("samples-mixed")
def scaled_by_the_batchs_extremes_of_each_column() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        lowest, highest = inputs.amin(dim=0), inputs.amax(dim=0)
        return through(net, (inputs - lowest) / (highest - lowest))

    return classify(Net(forward))


@plant("samples-mixed")
def centred_by_the_batchs_median() -> Program:
    return classify(Net(lambda net, inputs: through(net, inputs - inputs.median(dim=0).values)))


@plant("samples-mixed")
def scaled_by_the_largest_of_the_batch() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = net.hidden(inputs).relu()
        return net.head(hidden / hidden.max())

    return classify(Net(forward))


@plant("samples-mixed")
def a_functional_batch_norm_in_any_mode() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = nn.functional.batch_norm(net.hidden(inputs), None, None, training=True)
        return net.head(hidden.relu())

    return classify(Net(forward))


@plant("evaluation-random")
def functional_dropout() -> Program:
    return classify(
        Net(lambda net, inputs: net.head(nn.functional.dropout(net.hidden(inputs).relu(), p=0.3)))
    )


@plant("evaluation-random")
def functional_dropout_of_channels() -> Program:
    class Channels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 8, 3), nn.LazyLinear(CLASSES)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(nn.functional.dropout2d(self.conv(images).relu(), 0.3).flatten(1))

    return classify(Channels(), inputs=torch.randn(N, 1, 8, 8))


@plant("evaluation-random")
def attention_that_drops() -> Program:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project, self.head = nn.Linear(FEATURES, 24), nn.Linear(8, CLASSES)

        def forward(self, inputs: Tensor) -> Tensor:
            query, key, value = self.project(inputs).chunk(3, dim=-1)
            attended = nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=0.3)
            return self.head(attended.mean(dim=1))

    return classify(Attention(), inputs=sequences())


@plant("evaluation-random")
def noise_that_never_ends() -> Program:
    return classify(Net(lambda net, inputs: through(net, inputs + 0.2 * torch.randn_like(inputs))))


@plant("evaluation-random")
def a_crop_at_random_for_the_batch() -> Program:
    class Cropping(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            top, left = (int(torch.randint(0, 3, (1,))) for _ in range(2))
            return super().forward(images[..., top : top + 6, left : left + 6])

    model = Cropping(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    return classify(model, inputs=torch.randn(N, 1, 8, 8))


@plant("evaluation-random")
def a_shift_by_pythons_random() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        return through(net, inputs.roll(random.randrange(FEATURES), dims=1))  # noqa: S311

    return classify(Net(forward))


@plant("evaluation-random")
def noise_by_numpy() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        return through(net, inputs + torch.from_numpy(np.random.randn(FEATURES)).float())  # noqa: NPY002

    return classify(Net(forward))


@plant("evaluation-random")
def steps_in_random_order() -> Program:
    def forward(net: Recurrent, inputs: Tensor) -> Tensor:
        return net.head(net.lstm(inputs[:, torch.randperm(7)])[1][0][-1])

    return classify(Recurrent(forward), inputs=sequences())


@plant("no-nonlinearity")
def linear_after_linear() -> Program:
    return classify(nn.Sequential(nn.Linear(FEATURES, 16), nn.Linear(16, 16), nn.Linear(16, CLASSES)))


@plant("no-nonlinearity")
def convolutions_without_an_activation() -> Program:
    convolutions = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3), nn.AvgPool2d(2)]
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(8 * 4, CLASSES))
    return classify(model, inputs=torch.randn(N, 1, 8, 8))


@plant("no-nonlinearity")
def an_activation_at_the_end_only() -> Program:
    model = nn.Sequential(nn.Linear(FEATURES, 16), nn.Dropout(0.2), nn.Linear(16, CLASSES))
    return classify(model.append(nn.LogSoftmax(dim=1)), criterion=nn.NLLLoss())


@plant("no-nonlinearity")
def an_activation_whose_result_is_lost() -> Program:
    def forward(net: Net, inputs: Tensor) -> Tensor:
        hidden = net.hidden(inputs)
        torch.relu(hidden)
        return net.head(hidden)

    return classify(Net(forward))


# --- scales ------------------------------------------------------------------------------------------------


@plant("output-out-of-reach")
def tanh_for_any_number() -> Program:
    return Program(mlp(nn.Tanh(), outputs=1), [(features(), 4 * torch.randn(N, 1))], nn.MSELoss())


@plant("output-out-of-reach")
def sigmoid_for_hours() -> Program:
    hours = torch.rand(N, 1) * 10
    return Program(mlp(nn.Sigmoid(), outputs=1), [(features(), hours)], nn.L1Loss())


@plant("output-out-of-reach")
def relu_for_either_sign() -> Program:
    return Program(mlp(nn.ReLU(), outputs=1), [(features(), torch.randn(N, 1))], nn.SmoothL1Loss())


@plant("output-out-of-reach")
def softmax_for_counts() -> Program:
    counts = torch.randint(9, (N, CLASSES)).float()
    return Program(mlp(nn.Softmax(dim=1)), [(features(), counts)], nn.MSELoss())


def bounded(*last: nn.Module, targets: Tensor) -> Program:
    return Program(mlp(*last, outputs=1), [(features(), targets)], nn.MSELoss())


@plant("output-out-of-reach")
def relu6_for_prices() -> Program:
    return bounded(nn.ReLU6(), targets=20 + 5 * torch.randn(N, 1))


@plant("output-out-of-reach")
def hardtanh_for_any_number() -> Program:
    return bounded(nn.Hardtanh(), targets=4 * torch.randn(N, 1))


@plant("output-out-of-reach")
def hardsigmoid_for_hours() -> Program:
    return bounded(nn.Hardsigmoid(), targets=torch.rand(N, 1) * 10)


@plant("output-out-of-reach")
def softplus_for_either_sign() -> Program:
    return bounded(nn.Softplus(), targets=torch.randn(N, 1))


@plant("output-out-of-reach")
def log_sigmoid_for_positive_numbers() -> Program:
    return bounded(nn.LogSigmoid(), targets=torch.rand(N, 1))


@plant("output-out-of-reach")
def silu_for_either_sign() -> Program:
    return bounded(nn.SiLU(), targets=3 * torch.randn(N, 1))


@plant("output-out-of-reach")
def clamped_too_far() -> Program:
    model = mlp(outputs=1)
    model.register_forward_hook(lambda *given: given[2].clamp(0, 1))
    return Program(model, [(features(), 3 * torch.randn(N, 1))], nn.MSELoss())


@plant("output-out-of-reach")
def a_scaled_sigmoid_for_more() -> Program:
    class Scaled(nn.Sequential):
        def forward(self, inputs: Tensor) -> Tensor:
            return 5 * super().forward(inputs).sigmoid()

    return Program(Scaled(*mlp(outputs=1)), [(features(), 20 * torch.rand(N, 1))], nn.MSELoss())


@plant("output-out-of-reach")
def a_recurrent_state_for_any_number() -> Program:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(FEATURES, 1, batch_first=True)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.gru(inputs)[1][-1]

    return Program(Last(), [(sequences(), 4 * torch.randn(N, 1))], nn.MSELoss())


@plant("target-scale")
def prices_and_small_steps() -> Program:
    model = mlp(outputs=1)
    prices = 2e5 + 1e5 * torch.randn(N, 1)
    return Program(model, [(features(), prices)], nn.MSELoss(), Adam(model.parameters(), lr=1e-4))


@plant("target-scale")
def metres_for_nanometres() -> Program:
    return regress(targets=1e-9 * torch.randn(N, 1))


@plant("large-first-loss")
def a_last_layer_of_standard_deviation_200() -> Program:
    model = mlp()
    nn.init.normal_(model[2].weight, std=200)
    return classify(model)


@plant("large-first-loss")
def logits_times_200() -> Program:
    return classify(Net(lambda net, inputs: 200 * through(net, inputs)))


# --- schedulers --------------------------------------------------------------------------------------------


def scheduled(make: Callable[[SGD], LRScheduler], epochs: int | None = None) -> Program:
    program = classify()
    program.optimizer = SGD(program.model.parameters(), lr=0.1)
    program.lr_scheduler, program.epochs = make(program.optimizer), epochs
    return program


@plant("scheduler-too-fast")
def a_tenth_each_epoch() -> Program:
    return scheduled(lambda optimizer: ExponentialLR(optimizer, gamma=0.1), epochs=30)


@plant("scheduler-too-fast")
def a_step_each_epoch() -> Program:
    return scheduled(lambda optimizer: StepLR(optimizer, step_size=1, gamma=0.2), epochs=20)


@plant("scheduler-too-fast")
def a_factor_that_ends_early() -> Program:
    return scheduled(lambda optimizer: LambdaLR(optimizer, lambda epoch: max(0, 1 - epoch / 5)), epochs=50)


@plant("foreign-scheduler")
def the_scheduler_of_an_earlier_optimizer() -> Program:
    earlier = SGD(mlp().parameters(), lr=0.1)
    return scheduled(lambda _: CosineAnnealingLR(earlier, T_max=10))


# --- splits ------------------------------------------------------------------------------------------------


@plant("one-class")
def the_first_file_only() -> Program:
    loader = DataLoader(TensorDataset(features(80), torch.zeros(80).long()), 16, shuffle=True)
    return Program(mlp(), loader, nn.CrossEntropyLoss())


@plant("one-class")
def nothing_but_negatives() -> Program:
    return decide(targets=torch.zeros(N, 1))


@plant("splits-overlap")
def validation_on_the_training_data() -> Program:
    data = TensorDataset(features(200), labels(200))
    loaders = [DataLoader(data, 20, shuffle=shuffle) for shuffle in (True, False)]
    return Program(mlp(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("splits-overlap")
def split_twice() -> Program:
    data = TensorDataset(features(200), labels(200))
    parts = [Subset(data, torch.randperm(200)[:count].tolist()) for count in (150, 50)]
    loaders = [DataLoader(part, 20, shuffle=True) for part in parts]
    return Program(mlp(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("splits-overlap")
def slices_with_a_slip() -> Program:
    inputs, targets = features(300), labels(300)
    loaders = [
        TensorLoader(inputs[rows], targets[rows], batch_size=30, shuffle=True)
        for rows in (slice(0, 250), slice(200, 300))
    ]
    return Program(mlp(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("splits-scaled-apart")
def validation_images_not_divided() -> Program:
    images, digits = synthetic_digits(160, seed=0).tensors()
    grey = images.float()
    train = TensorLoader((grey[:80] / 255 - 0.13) / 0.31, digits[:80], batch_size=40, shuffle=True)
    val = TensorLoader(grey[80:], digits[80:], batch_size=40)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
    return Program(model, train, nn.CrossEntropyLoss(), None, val)


@plant("splits-scaled-apart")
def validation_table_in_other_units() -> Program:
    units = torch.tensor([1.0, 1.0, 0.01, 300.0, 1.0])
    loaders = [
        TensorLoader(features(64) * scale, labels(64), batch_size=32, shuffle=True) for scale in (1, units)
    ]
    return Program(mlp(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


@plant("class-ignored")
def the_first_class_as_padding() -> Program:
    return classify(criterion=nn.CrossEntropyLoss(ignore_index=0))


@plant("class-ignored")
def the_last_class_as_padding_of_nll() -> Program:
    return classify(mlp(nn.LogSoftmax(dim=1)), criterion=nn.NLLLoss(ignore_index=CLASSES - 1))


@plant("output-out-of-reach")
def relu_before_the_sigmoid() -> Program:
    return decide(mlp(nn.ReLU6(), nn.Sigmoid(), outputs=1), criterion=nn.BCELoss())


@plant("output-out-of-reach")
def relu_before_logits() -> Program:
    return decide(mlp(nn.Softplus(), outputs=1))


# --- what moves and what does not -----------------------------------------------------------------------


@plant("frozen-norm-moves")
def gradients_switched_off_only() -> Program:
    model = normed()
    model[:2].requires_grad_(requires_grad=False)
    return classify(model, optimizer=Adam(model[3].parameters()))


@plant("frozen-norm-moves")
def a_frozen_norm_between_convolutions() -> Program:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, CLASSES)
    )
    model[1].requires_grad_(requires_grad=False)
    return classify(model, inputs=torch.randn(N, 1, 8, 8))


@plant("does-not-learn")
def a_learning_rate_for_another_optimizer() -> Program:
    model = mlp()
    return classify(model, optimizer=SGD(model.parameters(), lr=1e-8))


@plant("does-not-learn")
def a_learning_rate_of_100() -> Program:
    model = mlp()
    return classify(model, optimizer=SGD(model.parameters(), lr=100))


@plant("does-not-learn")
def prices_and_large_steps() -> Program:
    model = mlp(outputs=1)
    prices = 2e5 + 1e5 * torch.randn(N, 1)
    return Program(model, [(features(), prices)], nn.MSELoss(), SGD(model.parameters(), lr=0.1))


@plant("does-not-learn")
def a_small_learning_rate_with_momentum() -> Program:
    model = mlp()
    return classify(model, optimizer=SGD(model.parameters(), lr=1e-7, momentum=0.9))


@plant("does-not-learn")
def a_small_learning_rate_for_a_regression() -> Program:
    model, inputs = mlp(outputs=1), features()
    optimizer = SGD(model.parameters(), lr=1e-7, momentum=0.9)
    return Program(model, [(inputs, inputs.sum(dim=1, keepdim=True))], nn.MSELoss(), optimizer)


class Erasing(SGD):
    """Clears the gradients where it should use them."""

    def step(self, closure: Any = None) -> Any:
        self.zero_grad()
        return super().step(closure)


@plant("does-not-learn")
def gradients_erased_in_step() -> Program:
    model = mlp()
    return classify(model, optimizer=Erasing(model.parameters(), lr=0.1))


class Idle(SGD):
    """Does something else in a step than its base class."""

    def step(self, closure: Any = None) -> Any:
        return closure() if closure else None


@plant("does-not-learn")
def a_step_that_calls_no_other() -> Program:
    model = mlp()
    return classify(model, optimizer=Idle(model.parameters(), lr=0.1))


@plant("does-not-learn")
def gradients_erased_by_a_hook() -> Program:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda own, *_: own.zero_grad())
    return classify(model, optimizer=optimizer)


@plant("does-not-learn")
def gradients_erased_by_a_hook_made_for_the_model() -> Program:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: model.zero_grad())
    return classify(model, optimizer=optimizer)


@plant("does-not-learn")
def uphill() -> Program:
    model = mlp()
    return classify(model, optimizer=SGD(model.parameters(), lr=0.1, maximize=True))


@plant("does-not-learn")
def weights_that_decay_at_once() -> Program:
    model = mlp()
    inputs = features()
    targets = inputs[:, :CLASSES].argmax(dim=1)
    optimizer = AdamW(model.parameters(), lr=0.01, weight_decay=100)
    return classify(model, inputs=inputs, targets=targets, optimizer=optimizer)


@plant("silent-broadcast")
def a_row_of_counts() -> Program:
    return regress(targets=torch.randint(5, (N,)).float(), criterion=nn.PoissonNLLLoss())
