"""The loop that trains the demo's models."""

import math
import time

import torch

WARM_UP = 200  # updates


def by_minutes(minutes):
    """Progress by the wall time: update number -> share of the training that is done."""
    began = time.monotonic()
    return lambda step: (time.monotonic() - began) / 60 / minutes


def by_updates(updates):
    """Progress by the number of updates: update number -> share of the training that is done."""
    return lambda step: step / updates


def fit(model, loss_of, batches, rate, progress, after=None):
    """Train a model until `progress` reaches 1: AdamW, cosine schedule, bfloat16 autocast.

    loss_of : (model, batch) -> mean loss; a batch is a list of tensors
    progress : update number -> share done; after : called after each update with the share done
    Returns the number of updates.
    """
    device = next(model.parameters()).device
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.05, betas=(0.9, 0.98))
    began, recent = time.monotonic(), []
    for step, batch in enumerate(batches):
        done = progress(step)
        if done >= 1:
            return step
        for group in optimiser.param_groups:
            warm = min(1, (step + 1) / WARM_UP)
            group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(model, [tensor.to(device) for tensor in batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent = [*recent[-49:], loss.item()]
        if step % 50 == 0:
            spent = (time.monotonic() - began) / 60
            print(f"{spent:6.1f} min  {step:7d} updates  loss {sum(recent) / len(recent):.4f}", flush=True)
        if after:
            after(done)
    return step + 1
