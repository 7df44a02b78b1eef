"""Programs that look odd and are sound."""

import torch
from torch import nn
from torch.nn.functional import mse_loss as mse
from torch.nn.functional import normalize
from torch.optim import LBFGS, SGD, Adam, AdamW, SparseAdam
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
)
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import PaddedSequence, SequenceEncoder, TensorLoader, freeze
from support.programs import CLASSES, FEATURES, Program, classify, decide, features, labels, mlp


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


class Forward(nn.Module):
    """A module with layers and a forward of one's own."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def nodes_of_a_graph():
    """All nodes are one batch, and each gets its neighbours' features."""
    edges = (torch.rand(32, 32) < 0.2).float() + torch.eye(32)
    model = Forward(
        lambda net, nodes: net.head(net.edges @ net.hidden(nodes).relu()),
        hidden=nn.Linear(FEATURES, 16),
        head=nn.Linear(16, CLASSES),
        edges=nn.Buffer(edges / edges.sum(dim=1, keepdim=True)),
    )
    return classify(model)


def steps_first():
    """Batches of shape (T, N): a step's outputs depend on the steps before."""
    model = Forward(
        lambda net, steps: net.head(net.gru(net.embedding(steps))[0]).movedim(-1, 1),
        embedding=nn.Embedding(20, 8),
        gru=nn.GRU(8, 8),
        head=nn.Linear(8, 20),
    )
    ids = torch.randint(20, (9, 32))
    return Program(model, [(ids[:-1], ids[1:])], nn.CrossEntropyLoss())


def all_pairs():
    """Each image with each text, as in contrastive training."""
    model = Forward(
        lambda net, images, texts: net.image(images).tanh() @ net.text(texts).tanh().T,
        image=nn.Linear(FEATURES, 8),
        text=nn.Linear(FEATURES, 8),
    )
    return Program(model, [((features(), features()), torch.arange(32))], nn.CrossEntropyLoss())


def keeps_its_state():
    """A recurrent network that goes on where the last batch ended."""

    def forward(net, inputs):
        outputs, state = net.gru(inputs, net.state)
        net.state = state.detach()
        return net.head(outputs[:, -1])

    model = Forward(
        forward, gru=nn.GRU(FEATURES, 8, batch_first=True), head=nn.Linear(8, CLASSES), state=None
    )
    return classify(model, inputs=torch.randn(32, 7, FEATURES))


def statistics_of_the_batch():
    norm = nn.BatchNorm1d(16, track_running_stats=False)
    return classify(nn.Sequential(nn.Linear(FEATURES, 16), norm, nn.ReLU(), nn.Linear(16, CLASSES)))


def a_loss_of_pairs():
    def criterion(outputs, targets):
        same = (targets[:, None] == targets).float()
        return (same * torch.cdist(outputs, outputs)).mean() + outputs.norm(dim=1).sub(1).square().mean()

    return classify(criterion=criterion)


def variational():
    def forward(net, inputs):
        mean, logarithm = net.encode(inputs).chunk(2, dim=1)
        return net.decode(mean + logarithm.exp() * torch.randn_like(mean)), mean, logarithm

    decoder = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, FEATURES))
    model = Forward(forward, encode=mlp(outputs=4), decode=decoder)

    def criterion(outputs, targets):
        decoded, mean, logarithm = outputs
        return (decoded - targets).square().mean() + mean.square().mean() + logarithm.square().mean()

    inputs = features()
    return Program(model, [(inputs, inputs)], criterion)


def variational_with_one_output():
    """Its Kullback-Leibler term is kept by the model, and the criterion asks it."""

    def forward(net, inputs):
        mean, logarithm = net.encode(inputs).chunk(2, dim=1)
        net.term = (mean.square() + logarithm.exp() - logarithm).mean()
        return net.decode(mean + (logarithm / 2).exp() * torch.randn_like(mean))

    model = Forward(forward, encode=mlp(outputs=4), decode=mlp_from(2, FEATURES))
    inputs = features()
    return Program(model, [(inputs, inputs)], lambda outputs, targets: mse(outputs, targets) + model.term)


def sampled_by_a_distribution():
    def forward(net, inputs):
        mean, logarithm = net.encode(inputs).chunk(2, dim=1)
        return net.decode(torch.distributions.Normal(mean, logarithm.exp()).rsample())

    return autoencoder(Forward(forward, encode=mlp(outputs=4), decode=mlp_from(2, FEATURES)))


def codes_at_random():
    model = Forward(
        lambda net, inputs: net.decode(nn.functional.gumbel_softmax(net.encode(inputs), hard=True)),
        encode=mlp(outputs=8),
        decode=nn.Linear(8, FEATURES),
    )
    return autoencoder(model)


def a_loss_from_the_model():
    """A diffusion model draws noise and returns how well it tells it from the data."""

    def forward(net, inputs):
        noise = torch.randn_like(inputs)
        return mse(net.inner(inputs + noise), noise)

    return classify(Forward(forward, inner=mlp(outputs=FEATURES)), criterion=lambda outputs, targets: outputs)


def mlp_from(num_features, num_outputs):
    return nn.Sequential(nn.Linear(num_features, 8), nn.ReLU(), nn.Linear(8, num_outputs))


def autoencoder(model):
    inputs = features()
    return Program(model, [(inputs, inputs)], nn.MSELoss())


def a_penalty_on_weights():
    """The criterion reaches the model by its name, through a function of its own."""
    model = mlp()

    def penalty():
        return sum(parameter.abs().sum() for parameter in model.parameters())

    def criterion(outputs, targets):
        return nn.functional.cross_entropy(outputs, targets) + 1e-4 * penalty()

    return classify(model, criterion=criterion, optimizer=Adam(model.parameters()))


def cosines_times_30():
    """Margins of angles, in a plane to be drawn: the outputs are bounded."""
    weights = nn.Parameter(torch.randn(2, 10))
    model = Forward(
        lambda net, inputs: 30 * normalize(net.inner(inputs)) @ normalize(net.weights, dim=0),
        inner=mlp(outputs=2),
        weights=weights,
    )
    return classify(model, targets=labels(num_classes=10))


def derivatives_in_forward():
    """A differential equation u' + u = 0."""

    def forward(net, times):
        times = times.detach().requires_grad_()
        values = net.inner(times)
        (slopes,) = torch.autograd.grad(values.sum(), times, create_graph=True)
        return slopes + values

    inner = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    model = Forward(forward, inner=inner)
    times = torch.rand(32, 1)
    return Program(model, [(times, torch.zeros(32, 1))], nn.MSELoss(), Adam(model.parameters()))


def learned_already():
    """A trained network and a new optimizer, whose first steps lose a little."""
    model, inputs = mlp(outputs=1), features()
    with torch.no_grad():
        targets = model(inputs) + 1e-6 * torch.randn(32, 1)
    return Program(model, [(inputs, targets)], nn.MSELoss(), Adam(model.parameters(), lr=1e-2))


def quantiles():
    levels = torch.tensor([0.1, 0.5, 0.9])

    def criterion(outputs, targets):
        errors = targets - outputs
        return torch.maximum(levels * errors, (levels - 1) * errors).mean()

    return Program(mlp(), [(features(), torch.randn(32, 1))], criterion)


def a_layer_that_stays():
    model = mlp()
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}]
    return classify(model, optimizer=SGD(groups, lr=0.1))


def random_weights():
    """A Bayesian layer, which draws its weights also in evaluation mode."""

    def forward(net, inputs):
        noise = torch.randn_like(net.mean)
        return net.head((inputs @ (net.mean + net.scale.exp() * noise)).relu())

    return classify(
        Forward(
            forward,
            mean=nn.Parameter(torch.randn(FEATURES, 8)),
            scale=nn.Parameter(torch.full((FEATURES, 8), -2.0)),
            head=nn.Linear(8, CLASSES),
        )
    )


def noise_in_training():
    def forward(net, inputs):
        return net.inner(inputs + 0.1 * torch.randn_like(inputs) if net.training else inputs)

    return classify(Forward(forward, inner=mlp()))


def linear_autoencoder():
    inputs = features()
    return Program(
        nn.Sequential(nn.Linear(FEATURES, 2), nn.Linear(2, FEATURES)), [(inputs, inputs)], nn.MSELoss()
    )


def branch_that_starts_at_zero():
    model = Forward(
        lambda net, inputs: net.head(net.first(inputs) + net.alpha * net.branch(inputs)),
        first=nn.Linear(FEATURES, 16),
        branch=mlp(outputs=16),
        alpha=nn.Parameter(torch.zeros(1)),
        head=nn.Linear(16, CLASSES),
    )
    return classify(model)


def pooled():
    convolutions = [nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten()]
    return classify(nn.Sequential(*convolutions, nn.Linear(36, CLASSES)), inputs=torch.randn(32, 1, 8, 8))


def two_linear_branches():
    model = Forward(
        lambda net, inputs: net.wide(inputs) + net.deep(inputs),
        wide=nn.Linear(FEATURES, CLASSES),
        deep=nn.Linear(FEATURES, CLASSES),
    )
    return classify(model)


def trained(optimizer=None, *, criterion=None, model=None, targets=None, inputs=None, **settings):
    """A program with its optimizer, made from the model's parameters."""
    model = model or mlp()
    make = optimizer or (lambda parameters: SGD(parameters, lr=0.1))
    program = classify(model, inputs=inputs, targets=targets, criterion=criterion)
    program.optimizer = make(model.parameters())
    if "scheduler" in settings:
        program.lr_scheduler = settings["scheduler"](program.optimizer)
        program.epochs = settings["epochs"]
    return program


def at_its_lowest():
    """A regression that is solved already: no update lowers its loss."""
    inputs, targets = features(), torch.randn(32, 1)
    model = nn.Linear(FEATURES, 1)
    solution = torch.linalg.lstsq(torch.cat([inputs, torch.ones(32, 1)], dim=1), targets).solution
    with torch.no_grad():
        model.weight.copy_(solution[:-1].T)
        model.bias.copy_(solution[-1])
    return Program(model, [(inputs, targets)], nn.MSELoss(), SGD(model.parameters(), lr=0.1))


def a_little_beyond():
    """Targets scaled to -1 to 1 by the training data, some of which are noise a little beyond."""
    targets = (torch.rand(32, 1) * 2 - 1) * 1.05
    return Program(mlp(nn.Tanh(), outputs=1), [(features(), targets)], nn.MSELoss())


def names_that_occur_twice():
    """Short words from a small alphabet stand in both splits."""
    loaders = [
        TensorLoader(torch.randint(3, (400, 4)).float(), labels(400), batch_size=50, shuffle=True)
        for _ in range(2)
    ]
    return Program(
        nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, CLASSES)),
        loaders[0],
        nn.CrossEntropyLoss(),
        None,
        loaders[1],
    )


def validated_on_itself():
    loader = DataLoader(TensorDataset(features(), labels()), 8, shuffle=True)
    return Program(mlp(), loader, nn.CrossEntropyLoss(), None, loader)


def frozen_with_its_norm():
    model = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
    freeze(model[:2])
    return classify(model, optimizer=Adam(model[3].parameters()))


class KeepsItsPart(nn.Sequential):
    """Its own `train` leaves the part in evaluation mode."""

    def train(self, mode=True):
        super().train(mode)
        self[0].eval()
        self[1].eval()
        return self


def frozen_by_a_train_of_its_own():
    model = KeepsItsPart(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
    model[:2].requires_grad_(requires_grad=False)
    return classify(model, optimizer=Adam(model[3].parameters()))


def padding_ignored_at_each_step():
    model = Forward(lambda net, inputs: net.inner(inputs).transpose(1, 2), inner=mlp())
    targets = torch.randint(CLASSES, (8, 6))
    return Program(model, [(torch.randn(8, 6, FEATURES), targets)], nn.CrossEntropyLoss(ignore_index=0))


def validation_of_harder_data():
    loaders = [TensorLoader(size * features(64), labels(64), batch_size=32, shuffle=True) for size in (1, 4)]
    return Program(mlp(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])


def a_bounded_logit():
    return decide(mlp(nn.Tanh(), outputs=1))


def rare_positives():
    """A batch without a positive, of data that has some."""
    targets = torch.zeros(400, 1)
    targets[-3:] = 1
    loader = TensorLoader(features(400), targets, batch_size=40, shuffle=True)
    return Program(mlp(outputs=1), loader, nn.BCEWithLogitsLoss())


def scaled_sigmoid():
    model = Forward(lambda net, inputs: 5 * net.inner(inputs).sigmoid(), inner=mlp(outputs=1))
    return Program(model, [(features(), 5 * torch.rand(32, 1))], nn.MSELoss())


def scored(forward, targets=None, **parts):
    """A regression with layers and a forward of its own."""
    targets = 5 * torch.randn(32, 1) if targets is None else targets
    return Program(Forward(forward, **parts), [(features(), targets)], nn.MSELoss())


def largest_of_many():
    return scored(lambda net, inputs: net.layers(inputs).amax(dim=1, keepdim=True), layers=mlp(outputs=64))


def tanh_with_a_scale_that_is_learned():
    return scored(
        lambda net, inputs: net.scale * net.layers(inputs).tanh(),
        layers=mlp(outputs=1),
        scale=nn.Parameter(torch.zeros(1)),
    )


def pooled_by_attention():
    def forward(net, inputs):
        steps = inputs[:, :, None]
        return (net.score(steps).softmax(dim=1) * net.value(steps)).sum(dim=1)

    return scored(forward, value=nn.Linear(1, 1), score=nn.Linear(1, 1))


def change_of_the_last_value():
    def forward(net, inputs):
        return inputs[:, -1:] + net.layers(inputs).tanh()

    return scored(forward, targets=torch.randn(32, 1), layers=mlp(outputs=1))


def norm_at_the_end():
    layers = nn.Sequential(mlp(outputs=4), nn.LayerNorm(4))
    return scored(lambda net, inputs: net.layers(inputs), targets=5 * torch.randn(32, 4), layers=layers)


def many_answers_a_sample():
    def forward(net, inputs):
        noise = torch.randn(50, len(inputs), 4)
        return net.layers(torch.cat([inputs.expand(50, -1, -1), noise], dim=2)).mean(dim=0)

    layers = nn.Sequential(nn.Linear(FEATURES + 4, 8), nn.ReLU(), nn.Linear(8, CLASSES))
    return classify(Forward(forward, layers=layers))


class EverySecond(SGD):
    """Adds up two gradients for a step."""

    calls = 0

    def step(self, closure=None):
        gradients = [each.grad for group in self.param_groups for each in group["params"]]
        self.calls += 1
        if self.calls % 2:
            self.kept = gradients
            return None
        for gradient, kept in zip(gradients, self.kept, strict=True):
            gradient.add_(kept)
        return super().step(closure)


def clipped_by_a_hook():
    program = trained()
    parameters = list(program.model.parameters())
    program.optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_norm_(parameters, 1))
    return program


def warmed_up(optimizer):
    return LambdaLR(optimizer, lambda epoch: min(1, (epoch + 1) / 1000))


SOUND = {
    "a variational autoencoder with one output": variational_with_one_output,
    "a sample of a distribution": sampled_by_a_distribution,
    "codes at random": codes_at_random,
    "a model that returns its loss": a_loss_from_the_model,
    "a penalty on the weights": a_penalty_on_weights,
    "cosines times 30": cosines_times_30,
    "derivatives in forward": derivatives_in_forward,
    "a network that has learned already": learned_already,
    "three quantiles of a target": quantiles,
    "a learning rate of 0 for one layer": a_layer_that_stays,
    "the largest of many outputs": largest_of_many,
    "a scale that starts at zero behind a tanh": tanh_with_a_scale_that_is_learned,
    "a mean weighted by attention": pooled_by_attention,
    "a bounded change of the last value": change_of_the_last_value,
    "layer norm at the end": norm_at_the_end,
    "many random answers a sample": many_answers_a_sample,
    "a step for two gradients": lambda: trained(lambda each: EverySecond(each, lr=0.1)),
    "a hook that clips gradients": clipped_by_a_hook,
    "a small learning rate with momentum": lambda: trained(lambda each: SGD(each, lr=1e-5, momentum=0.9)),
    "noise for labels": lambda: trained(targets=torch.randint(3, (32,))),
    "a loss at its lowest": at_its_lowest,
    "a small learning rate for fine-tuning": lambda: trained(lambda each: AdamW(each, lr=1e-5)),
    "a smaller one for SGD": lambda: trained(lambda each: SGD(each, lr=1e-4)),
    "a large one for Adam": lambda: trained(lambda each: Adam(each, lr=0.05)),
    "momentum that overshoots": lambda: trained(lambda each: SGD(each, lr=0.5, momentum=0.9)),
    "a closure for LBFGS": lambda: trained(LBFGS),
    "a cosine to 0": lambda: trained(scheduler=lambda each: CosineAnnealingLR(each, 20), epochs=20),
    "restarts": lambda: trained(scheduler=lambda each: CosineAnnealingWarmRestarts(each, 5), epochs=20),
    "one cycle": lambda: trained(scheduler=lambda each: OneCycleLR(each, 0.1, total_steps=20), epochs=20),
    "a slow decay": lambda: trained(scheduler=lambda each: ExponentialLR(each, 0.95), epochs=100),
    "a scheduler that waits": lambda: trained(scheduler=ReduceLROnPlateau, epochs=100),
    "a long warm-up": lambda: trained(scheduler=warmed_up, epochs=10),
    "targets a little beyond tanh": a_little_beyond,
    "samples that occur twice": names_that_occur_twice,
    "validation on the training loader": validated_on_itself,
    "a frozen part with its norm": frozen_with_its_norm,
    "a frozen part that the model keeps in evaluation mode": frozen_by_a_train_of_its_own,
    "padding ignored at each step": padding_ignored_at_each_step,
    "validation data that spreads wider": validation_of_harder_data,
    "a bounded logit": a_bounded_logit,
    "rare positives": rare_positives,
    "a scaled sigmoid": scaled_sigmoid,
    "counts and their logarithms": lambda: regression(nn.PoissonNLLLoss()),
    "the nodes of a graph": nodes_of_a_graph,
    "steps in the first dimension": steps_first,
    "all pairs of a batch": all_pairs,
    "a state from batch to batch": keeps_its_state,
    "batch norm without running statistics": statistics_of_the_batch,
    "a loss of pairs": a_loss_of_pairs,
    "a variational autoencoder": variational,
    "random weights": random_weights,
    "noise in training": noise_in_training,
    "a linear autoencoder": linear_autoencoder,
    "a branch that starts at zero": branch_that_starts_at_zero,
    "maxima between linear layers": pooled,
    "two linear layers side by side": two_linear_branches,
    "a last layer that starts at zero": zero_head,
    "a low-rank correction": low_rank,
    "a scheduler that starts at zero": warm_up,
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
    "several binary targets": lambda: classify(
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
