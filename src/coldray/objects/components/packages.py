"""Bodies of packaged circuits: leadframe packages, ball-grid substrates. Lengths in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coldray.objects.canvas import Canvas, Frame, Point
from coldray.objects.components.joints import SIDES_DEG, bond_fan, dome, strip, wedge


@dataclass(frozen=True)
class LeadframePackage:
    """Moulded package on a copper leadframe: QFP, SOIC, SOT (with leads), QFN, DFN (without).

    Parameters
    ----------
    width, height : float
        Moulding along the frame's u and v [mm].
    tall : float
        Its thickness [mm].
    paddle, die : (float, float)
        Die paddle and die, along u and v [mm].
    die_thickness : float
        [mm]
    metal : float
        Leadframe [mm].
    lead : float
        Width of a lead [mm].
    foot : float
        Length of a lead on its land [mm].
    has_leads : bool
        Bent leads outside the moulding, rather than lands in its underside.
    """

    width: float
    height: float
    tall: float
    paddle: tuple[float, float]
    die: tuple[float, float]
    metal: float
    lead: float
    foot: float
    has_leads: bool
    die_thickness: float = 0.25

    def body(self, canvas: Canvas, frame: Frame) -> None:
        """Moulding, paddle and die."""
        canvas.rect("mold_compound", frame, 0, 0, self.width, self.height, self.tall)
        canvas.rect("Cu", frame, 0, 0, *self.paddle, self.metal)
        canvas.rect("Si", frame, 0, 0, *self.die, self.die_thickness)

    def leads(
        self,
        canvas: Canvas,
        frame: Frame,
        lands: list[list[Point]],
        solder: str,
        rng: np.random.Generator,
        *,
        skew_deg: float = 0.0,
        metals: tuple[str, ...] = ("Au", "Au", "Cu", "Ag"),
    ) -> None:
        """Leads on their lands with solder, and a bond wire to each.

        Parameters
        ----------
        canvas : Canvas
        frame : Frame
            Of the lands.
        lands : four lists of (float, float)
            Middle of each foot, side by side (0, 90, 180, 270 deg), in that side's frame with v outwards [mm].
        solder : str
        rng : numpy Generator
            Of the wires.
        skew_deg : float
            Turn of the package on its lands.
        metals : tuple of str
            Bond wires are of one of these.
        """
        f0 = frame.moved(0, 0, skew_deg)
        targets: list[list[Point]] = []
        for turn, row in zip(SIDES_DEG, lands, strict=True):
            edge = (self.width if turn % 180 else self.height) / 2
            deep = (self.paddle[0] if turn % 180 else self.paddle[1]) / 2
            back, fp, f = Frame(0, 0, turn), frame.moved(0, 0, turn), f0.moved(0, 0, turn)
            ends: list[Point] = []
            for u, v in row:
                self._lead(canvas, fp.moved(u, v), f.moved(u, v), v - edge, solder)
                inner_u, inner_v = u * 0.72, max(deep + 0.25, edge - 0.3 * (edge - deep))
                if self.has_leads:
                    strip(canvas, f.at(u, edge), f.at(inner_u, inner_v - 0.15), self.lead * 0.7, self.metal)
                ends.append(back.at(inner_u, inner_v - 0.05) if self.has_leads else back.at(u, edge - 0.3))
            targets.append(ends)
        bond_fan(canvas, f0, *self.die, 0.0, rng, targets=targets, metals=metals)

    def _lead(self, canvas: Canvas, land: Frame, at: Frame, beyond: float, solder: str) -> None:
        """One lead whose foot's middle lies `beyond` the moulding's edge; both frames have v outwards."""
        canvas.rect(solder, land, 0, 0.05, self.lead * 1.15, self.foot + 0.4, 0.05)
        canvas.rect("Cu", at, 0, 0, self.lead, self.foot, self.metal)
        canvas.rect(
            solder, land.moved(0, self.foot / 2 + 0.1, 90), 0, 0, 0.22, self.lead * 1.1, 0.6 * self.metal, wedge
        )
        if self.has_leads:
            out = beyond - self.foot / 2
            canvas.rect("Cu", at, 0, -beyond + out / 2, self.lead, out, self.metal * 1.2)
            canvas.rect("Cu", at, 0, -self.foot / 2 - 0.05, self.lead, 0.16, 3.5 * self.metal)
            canvas.rect(solder, land, 0, -self.foot / 2 - 0.1, self.lead * 1.1, 0.2, 0.15, dome)


def ball_grid_substrate(canvas: Canvas, frame: Frame, width: float, height: float) -> None:
    """Laminate, its copper, and the moulding above."""
    canvas.rect("FR4", frame, 0, 0, width, height, 0.25)
    canvas.rect("mold_compound", frame, 0, 0, width, height, 0.5)
    canvas.rect("Cu", frame, 0, 0, width * 0.97, height * 0.97, 0.012)


def resistor_array(
    canvas: Canvas, frame: Frame, width: float, height: float, thickness: float, lands: list[tuple[Frame, float, float]],
    solder: str,
) -> None:  # fmt: skip
    """Chip array: alumina with wrap-round ends over its lands (frame, length, width)."""
    canvas.rect("Al2O3", frame, 0, 0, width, height, thickness)
    for land, long, wide in lands:
        canvas.rect("Ag", land, 0, 0, 0.5 * long, 0.85 * wide, 0.02)
        canvas.rect("Ni", land, 0, 0, 0.5 * long, 0.9 * wide, 0.012)
        canvas.rect(solder, land, 0, 0, 0.8 * long, 0.9 * wide, 0.04)
