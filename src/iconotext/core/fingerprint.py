"""How region features were made; a model refuses features that were made in another way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from iconotext.core.errors import FingerprintError

WIDTHS = ("feature_dim", "classes", "attributes")
"""The fields without which a model cannot read features at all."""


@dataclass(frozen=True)
class Fingerprint:
    """Everything that changes a region's feature, box or soft label.

    ``weights`` is the SHA-256 of the detector's weights file ("none" where there are no weights), ``resize`` the rule that
    brings a picture to the detector's size, ``boxes`` the rule that selects regions.
    """

    detector: str
    weights: str
    layer: str
    resize: str
    colour_order: str
    boxes: str
    dtype: str
    feature_dim: int
    classes: int
    attributes: int

    def differences(self, other: Fingerprint) -> dict[str, tuple[object, object]]:
        """The fields that differ, as name → (mine, other)."""
        mine, theirs = asdict(self), asdict(other)
        return {f.name: (mine[f.name], theirs[f.name]) for f in fields(self) if mine[f.name] != theirs[f.name]}

    def require(self, other: Fingerprint, where: str, allowed: bool = False) -> dict[str, tuple[object, object]]:
        """Refuse ``other`` unless it is equal, or is ``allowed`` to differ in all but widths; what differs is returned.

        Raises:
            FingerprintError: with the fields that differ and what to do.
        """
        differing = self.differences(other)
        if differing and not (allowed and differing.keys().isdisjoint(WIDTHS)):
            lines = "\n".join(f"  {name}: expected {a!r}, found {b!r}" for name, (a, b) in differing.items())
            raise FingerprintError(
                f"{where}: the region features were made in another way than the model was trained with:\n{lines}\n"
                "Extract the regions again with the model's detector, or train a model on these features."
            )
        return differing
