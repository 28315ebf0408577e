"""Who reads which case in which arm when: every reader reads every case in every arm, in blocks apart in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Reading = tuple[int, int]
"""Case and arm, by number."""


def allocate(
    has_defects: Sequence[bool], arms: int, readers: int, rng: np.random.Generator
) -> list[list[list[Reading]]]:
    """Order of the readings of every reader.

    Parameters
    ----------
    has_defects : sequence of bool
        Of every case.
    arms, readers : int
    rng : numpy.random.Generator

    Returns
    -------
    list of list of list of (case, arm)
        By reader and block. There are as many blocks as arms; a reader sees every case once in each block, and in each block
        in another arm.

    Notes
    -----
    Latin squares over groups of cases: cases with defects and controls are dealt to as many groups as there are arms, and a
    group's arm moves on from block to block. In each block every arm stands for one group, so all arms are read equally
    often early and late, with as many defects; readers begin the square at different places and go through it in either
    direction. Within a block the order is random, for each reader anew.

    References
    ----------
    Obuchowski, Acad. Radiol. 11 (2004) 980: designs of multi-reader studies.
    """
    defective = np.asarray(has_defects, dtype=bool)
    dealt = np.concatenate([rng.permutation(np.flatnonzero(defective)), rng.permutation(np.flatnonzero(~defective))])
    group = np.empty(defective.size, dtype=int)
    group[dealt] = np.arange(dealt.size) % arms
    starts = rng.permutation(readers)
    plan = []
    for start in starts:
        step = 1 if (start // arms) % 2 == 0 else -1
        blocks = []
        for block in range(arms):
            arm_of = (group + start + step * block) % arms
            blocks.append([(int(case), int(arm_of[case])) for case in rng.permutation(defective.size)])
        plan.append(blocks)
    return plan
