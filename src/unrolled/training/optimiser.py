"""Optimisers: AdamW, or plain SGD as the older recipes have it; what each keeps between steps,
and which weights decay.
"""

from __future__ import annotations

import torch

from ..task import Recipe

BETAS = (0.9, 0.99)  # of AdamW; 0.99 follows the few thousand steps of a short run better than 0.999
# "step" is a number, the others are like their weight.
KEPT = {
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "sgd": (),
}


def optimiser_of(recipe: Recipe, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a recipe, over all weights of a model."""
    weights = groups(model, recipe.decay)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=recipe.rate, fused=True)
    return torch.optim.AdamW(weights, lr=recipe.rate, betas=BETAS, fused=True)


def groups(model: torch.nn.Module, decay: float) -> list[dict]:
    """Parameters with weight decay, and those without: vectors, and what the model says."""
    without = {id(weight) for weight in model.undecayed()}
    kept = [weight for weight in model.parameters() if weight.dim() <= 1 or id(weight) in without]
    kept_ids = {id(weight) for weight in kept}
    decayed = [weight for weight in model.parameters() if id(weight) not in kept_ids]
    return [{"params": decayed, "weight_decay": decay}, {"params": kept, "weight_decay": 0.0}]
