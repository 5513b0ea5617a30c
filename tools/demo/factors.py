"""Embeddings by matrix factorisation: implicit alternating least squares (Hu and others, 2008).

A rating says two things: the user chose the movie (the target, 1 against 0 for every other movie)
and how much to trust that (the confidence, larger for better ratings). Movies take their vectors from
the whole training set; a user's vector is then folded in anew with recent ratings weighing more,
because what somebody watches next resembles what was watched last.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse

from dataset import Ratings, ages

# Width of every embedding; part of the ranker's signature.
WIDTH = 64

# Chosen on an inner split of the training ratings (see README.md), never on the held-out ones.
REGULARISATION = 20.0
SWEEPS = 8
RECENT_CONFIDENCE = 10.0
HALF_LIFE_RATINGS = 4.0


def factorise(
    train: Ratings,
    user_count: int,
    movie_count: int,
    seed: int,
    start: np.ndarray | None = None,
    sweeps: int = SWEEPS,
) -> np.ndarray:
    """Returns movie vectors, movies x WIDTH; a movie without ratings gets zeros.

    `start` (movie vectors of an earlier run) keeps the axes comparable between two runs: what a
    ranker learned about the first then holds for the second.
    """
    weights = scipy.sparse.csr_matrix(
        (train.value / 5.0, (train.user, train.movie)), shape=(user_count, movie_count)
    )
    by_movie = weights.T.tocsr()
    if start is None:
        start = np.random.default_rng(seed).normal(0.0, 0.1, (movie_count, WIDTH))
    movies = start
    for _ in range(sweeps):
        users = solve(weights, movies, 1.0)
        movies = solve(by_movie, users, 1.0)
    return movies


def solve(weights: scipy.sparse.csr_matrix, other: np.ndarray, target: float) -> np.ndarray:
    """One half of a sweep: the vector of every row of `weights`, given the other side's vectors.

    Solves (O'O + O'WO + regularisation) x = O'(target + W) per row, W the row's confidences.
    """
    gram = other.T @ other + REGULARISATION * np.eye(WIDTH)
    vectors = np.zeros((weights.shape[0], WIDTH))
    for row in range(weights.shape[0]):
        columns = weights.indices[weights.indptr[row] : weights.indptr[row + 1]]
        if len(columns) == 0:
            continue
        confidence = weights.data[weights.indptr[row] : weights.indptr[row + 1]]
        rated = other[columns]
        system = gram + rated.T @ (rated * confidence[:, None])
        vectors[row] = scipy.linalg.solve(
            system, rated.T @ (target + confidence), assume_a="pos", check_finite=False
        )
    return vectors


def fold_in_users(history: Ratings, movies: np.ndarray, user_count: int) -> np.ndarray:
    """User vectors from ratings ordered by user and time; confidence halves every few ratings."""
    confidence = RECENT_CONFIDENCE * 0.5 ** (ages(history) / HALF_LIFE_RATINGS)
    weights = scipy.sparse.csr_matrix(
        (confidence, (history.user, history.movie)), shape=(user_count, len(movies))
    )
    return solve(weights, movies, 0.0)


def fill_from_genres(
    movies: np.ndarray, rating_count: np.ndarray, genres: np.ndarray
) -> np.ndarray:
    """Gives movies without training ratings a content embedding: ridge regression on genres."""
    rated = rating_count > 0
    known = np.hstack([genres, np.ones((len(genres), 1))]).astype(np.float64)
    system = known[rated].T @ known[rated] + np.eye(known.shape[1])
    mapping = np.linalg.solve(system, known[rated].T @ movies[rated])
    return np.where(rated[:, None], movies, known @ mapping)
