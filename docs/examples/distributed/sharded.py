"""A model spread over the processes (FSDP2), in a loop of your own.

torchrun --nproc-per-node=2 sharded.py FOLDER [EPOCHS]

Run it again with more epochs and it goes on from the checkpoint in FOLDER.
"""

import sys
from pathlib import Path

import torch
from torch import nn, optim
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import fully_shard

from practicezoo import (
    MLP,
    Accuracy,
    TensorLoader,
    TrainStep,
    evaluate,
    train_epoch,
)
from practicezoo.training import distributed_context, save_checkpoint


def rings(num_points, *, seed):
    """Points in the plane, and which of two rings each lies on."""
    generator = torch.Generator().manual_seed(seed)
    angles = (
        2
        * torch.pi
        * torch.rand(num_points, generator=generator, dtype=torch.float64)
    )
    targets = torch.randint(2, (num_points,), generator=generator)
    radii = (
        1
        + targets
        + 0.2
        * torch.randn(num_points, generator=generator, dtype=torch.float64)
    )
    return torch.stack(
        [radii * angles.cos(), radii * angles.sin()], dim=1
    ), targets


def main(folder, epochs):
    with distributed_context() as context:
        shard = {
            "num_replicas": context.world_size,
            "rank": context.rank,
            "device": context.device,
        }
        size = (
            96 // context.world_size
        )  # the same joint batch however many processes there are
        train_loader = TensorLoader(
            *rings(960, seed=1), batch_size=size, shuffle=True, seed=0, **shard
        )
        test_loader = TensorLoader(
            *rings(480, seed=2), batch_size=size, **shard
        )

        # the same start on every rank: fully_shard keeps each one's own part
        torch.manual_seed(0)
        model = MLP([2, 64, 64, 2]).to(context.device, torch.float64)
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                fully_shard(layer)
        fully_shard(model)
        optimizer = optim.Adam(
            model.parameters(), lr=0.01
        )  # after sharding: the parameters are new ones
        step = TrainStep(
            model, optimizer, nn.CrossEntropyLoss(), max_grad_norm=1.0
        )

        done = [
            path
            for path in folder.glob("epoch-*")
            if (path / ".metadata").is_file()
        ]  # written last
        finished = max(
            (int(path.name.removeprefix("epoch-")) for path in done), default=0
        )
        if finished:
            load(folder / f"epoch-{finished}", model, optimizer)
        for epoch in range(finished + 1, epochs + 1):
            train_loader.set_epoch(epoch)
            for _ in train_epoch(step, train_loader, accumulate=2):
                pass
            results = evaluate(
                model, test_loader, metrics={"accuracy": Accuracy()}
            )
            if context.is_main:
                print(f"epoch {epoch}: accuracy {results['accuracy']:.3f}")
            save(folder / f"epoch-{epoch}", model, optimizer)

        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(
            model, options=whole
        )  # on rank 0; every rank must ask
        if context.is_main:
            save_checkpoint(folder / "model.pt", {"model": weights})


def save(path, model, optimizer):
    """Write a checkpoint together: each rank the shards that it has."""
    weights, moments = get_state_dict(model, optimizer)
    checkpoint.save(
        {"model": weights, "optimizer": moments}, checkpoint_id=path
    )


def load(path, model, optimizer):
    """Read a checkpoint; it may come from another number of ranks."""
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optimizer": moments}
    checkpoint.load(state, checkpoint_id=path)
    set_state_dict(
        model,
        optimizer,
        model_state_dict=state["model"],
        optim_state_dict=state["optimizer"],
    )


if __name__ == "__main__":
    folder, *epochs = sys.argv[1:]
    main(Path(folder), epochs=int(*epochs or [6]))
