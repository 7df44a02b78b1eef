"""What CUDA graphs do, on the CPU: operations are noted once, and then computed again on the same memory."""

import itertools

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from support.toys import HOST_READS, HostReads

# their schemas do not say that they overwrite the running statistics
UNDECLARED = {torch.ops.aten.native_batch_norm.default}


class TapeRecorder:
    """Records as CudaRecorder does: a recording computes nothing, and what is computed again is only tensors.

    Numbers, branches and Python's side effects are those of the recording, as with a CUDA graph. Reading a
    value while it is recorded is an error.
    """

    def __init__(self, *_):
        pass

    def rehearse(self, function, *, watch):
        if not watch:
            return function(), None
        with HostReads() as reads:
            result = function()
        return result, f"the host waits {reads.count} times" if reads.count else None

    def record(self, function):
        tape = Tape()
        random_state = torch.get_rng_state()
        with tape:
            result = function()
        tape.undo()
        torch.set_rng_state(random_state)
        return result, tape.play

    def forget(self):
        pass


class Tape(TorchDispatchMode):
    """Notes operations below autograd, forward and backward."""

    def __init__(self):
        super().__init__()
        self.operations = []
        self.overwritten = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in HOST_READS:
            raise RuntimeError("operation not permitted when stream is capturing")
        kwargs = kwargs or {}
        for argument, value in zip(func._schema.arguments, args, strict=False):
            self._keep(argument, value)
        for argument in func._schema.arguments:
            self._keep(argument, kwargs.get(argument.name))
        if func in UNDECLARED:
            self.overwritten += [(each, each.clone()) for each in args[3:5] if is_tensor(each)]
        again = as_now((args, kwargs))
        result = func(*args, **kwargs)
        self.operations.append((func, *again, as_now(result)))
        return result

    def _keep(self, argument, value):
        if argument.alias_info is not None and argument.alias_info.is_write:
            tensors = [each.detach() for each in tree_leaves(value) if is_tensor(each)]
            self.overwritten += [(tensor, tensor.clone()) for tensor in tensors]

    def undo(self):
        with torch.no_grad():
            for tensor, before in reversed(self.overwritten):
                tensor.copy_(before)
        self.overwritten = []

    @torch.no_grad()
    def play(self):
        for func, noted_args, noted_kwargs, result in self.operations:
            args, kwargs = as_now((noted_args, noted_kwargs))
            again = func(*args, **kwargs)
            for old, new in itertools.zip_longest(tree_leaves(result), tree_leaves(again)):
                if is_tensor(old) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def as_now(values):
    """Tensors of the same memory, whose shapes operations in place may change."""
    return tree_map(lambda value: value.detach() if is_tensor(value) else value, values)


def is_tensor(value):
    return isinstance(value, Tensor)


class Graphs:
    """The device, and how many graphs were recorded and computed on it."""

    def __init__(self, device):
        self.device = device
        self.num_recorded = self.num_computed = 0

    def count(self, recorder):
        """The recorder, which counts here."""
        record = recorder.record

        def counting_record(function):
            self.num_recorded += 1
            result, compute = record(function)

            def counting_compute():
                self.num_computed += 1
                compute()

            return result, counting_compute

        vars(recorder)["record"] = counting_record
        return recorder
