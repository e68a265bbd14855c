"""How weights begin."""

from __future__ import annotations

from torch import nn


def initialise(module: nn.Module, std: float) -> None:
    """Normal(0, ``std``) for linear maps and tables, 0 for biases, 1 and 0 for norms: BERT's own start at std 0.02.

    A norm that says otherwise begins as it says.

    ``std`` 0 asks for 1 over the square root of a linear map's input width, which small models from scratch need.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0.0, std or part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, 0.0, std or part.embedding_dim**-0.5)
        elif isinstance(part, nn.LayerNorm):
            part.reset_parameters()
