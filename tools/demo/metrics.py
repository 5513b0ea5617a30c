"""Ranking metrics, and the bootstrap interval that goes with a mean over users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean over users with its bootstrap interval."""

    mean: float
    low: float
    high: float
    users: int


def ndcg(ranked: Sequence[int], ratings: dict[int, float], limit: int) -> float:
    """Normalised discounted cumulative gain of a ranking, cut at `limit`.

    `ratings` holds the relevant items; the gain of one is 2^rating - 1, of any other item 0. The
    ideal ranking lists the relevant items by falling rating. Without relevant items it is 0.
    """
    gains = [2.0 ** ratings[item] - 1.0 if item in ratings else 0.0 for item in ranked[:limit]]
    ideal = sorted((2.0**rating - 1.0 for rating in ratings.values()), reverse=True)[:limit]
    best = _discounted(ideal)
    return _discounted(gains) / best if best > 0 else 0.0


def recall(ranked: Sequence[int], relevant: set[int], limit: int) -> float:
    """The share of the relevant items that stand among the first `limit`; 0 if there are none."""
    if not relevant:
        return 0.0
    return len(relevant.intersection(ranked[:limit])) / len(relevant)


def bootstrap(values: Sequence[float], seed: int, rounds: int = 2000) -> Interval:
    """The mean of one value per user, with a 95 % percentile bootstrap interval over users."""
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) == 0:
        raise ValueError("a bootstrap interval needs at least one user, got none")
    picks = np.random.default_rng(seed).integers(0, len(sample), size=(rounds, len(sample)))
    means = sample[picks].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(sample.mean()), float(low), float(high), len(sample))


def top(scores: np.ndarray, excluded: np.ndarray, limit: int) -> np.ndarray:
    """The rows of the `limit` best scores that are not excluded; ties go to the lower row."""
    allowed = np.flatnonzero(~excluded)
    order = np.argsort(-scores[allowed], kind="stable")[:limit]
    return allowed[order]


def _discounted(gains: Sequence[float]) -> float:
    return float(sum(gain / np.log2(place + 2.0) for place, gain in enumerate(gains)))
