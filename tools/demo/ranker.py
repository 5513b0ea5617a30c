"""The learned ranker: a small multilayer perceptron over collaborative and content features.

All features are computed from the four inputs, here for training and in the same way inside the ONNX
graph (see onnx_export.py):

    product   user_vec * movie_vec, element by element      64
    taste     (user_vec . genre_map) * genres                20
    genres                                                   20
    dot       sum(product)                                    1
    affinity  sum(taste)                                      1
    popularity                                                1

It is trained on what users rated next, given their history up to then: each such movie against
sampled movies that the user had not rated, by the pairwise logistic loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import factors
from dataset import (
    GENRES,
    Dataset,
    MovieFeatures,
    Ratings,
    ages,
    movie_features,
    seen_mask,
)

FEATURES = factors.WIDTH + 2 * len(GENRES) + 3
DOT_FEATURE = factors.WIDTH + 2 * len(GENRES)
HIDDEN = 32

# Training: chosen on the inner split, as the constants of factors.py. The examples are the last
# CUTS * CUT_STEP training ratings of each user; a history ends at every CUT_STEP-th of them.
CUT_STEP = 5
CUTS = 3
EPOCHS = 6
NEGATIVES = 200
BATCH = 64
LEARNING_RATE = 0.002
# Decoupled, per unit of learning rate. Strong: a few thousand examples teach few weights.
WEIGHT_DECAY = 1.0
# How fast a user's taste in genres forgets, in ratings.
TASTE_HALF_LIFE_RATINGS = 20.0


@dataclass(frozen=True)
class Weights:
    """Everything the ranker knows, float64; the graph holds the same as float32."""

    genre_map: np.ndarray
    scale: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    direct: np.ndarray
    bias: float


@dataclass(frozen=True)
class Fitted:
    """The three things that fitting yields: two sets of vectors and the ranker over them."""

    user_vectors: np.ndarray
    movie_vectors: np.ndarray
    movies: MovieFeatures
    weights: Weights


def fit(train: Ratings, dataset: Dataset, seed: int) -> Fitted:
    """Fits embeddings and ranker on training ratings alone (ordered by user, then time)."""
    early = train.where(ages(train) >= CUTS * CUT_STEP)
    early_features = movie_features(early, dataset.movie_count)
    early_movies = factors.factorise(early, dataset.user_count, dataset.movie_count, seed)
    start = early_movies
    early_movies = factors.fill_from_genres(
        early_movies, early_features.rating_count, dataset.genres
    )
    users = factors.fold_in_users(early, start, dataset.user_count)
    genre_map = _genre_map(early, users, dataset)
    examples = _examples(train, start, dataset)
    weights = _train(examples, dataset, early_movies, early_features, genre_map, seed)

    train_features = movie_features(train, dataset.movie_count)
    movies = factors.factorise(
        train, dataset.user_count, dataset.movie_count, seed, start=start, sweeps=2
    )
    users = factors.fold_in_users(train, movies, dataset.user_count)
    movies = factors.fill_from_genres(movies, train_features.rating_count, dataset.genres)
    return Fitted(users, movies, train_features, weights)


def scores(
    weights: Weights,
    user: np.ndarray,
    movies: np.ndarray,
    genres: np.ndarray,
    popularity: np.ndarray,
) -> np.ndarray:
    """Scores many movies for one user."""
    x = features(weights.genre_map, user, movies, genres, popularity) * weights.scale
    hidden = np.maximum(x @ weights.hidden + weights.hidden_bias, 0.0)
    return hidden @ weights.output + x @ weights.direct + weights.bias


def features(
    genre_map: np.ndarray,
    user: np.ndarray,
    movies: np.ndarray,
    genres: np.ndarray,
    popularity: np.ndarray,
) -> np.ndarray:
    """The feature matrix; `user` is one vector or as many rows as `movies`."""
    product = user * movies
    taste = (user @ genre_map) * genres
    return np.concatenate(
        [
            product,
            taste,
            genres,
            product.sum(axis=-1, keepdims=True),
            taste.sum(axis=-1, keepdims=True),
            popularity[..., None],
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class _Examples:
    """What users rated next: their vector then, the movie, and what must not be a negative."""

    user_vectors: np.ndarray
    movie: np.ndarray
    known: np.ndarray


def _examples(train: Ratings, movies: np.ndarray, dataset: Dataset) -> _Examples:
    age = ages(train)
    parts = []
    for cut in range(CUTS, 0, -1):
        history = train.where(age >= cut * CUT_STEP)
        chosen = train.where((age < cut * CUT_STEP) & (age >= (cut - 1) * CUT_STEP))
        has_history = np.bincount(history.user, minlength=dataset.user_count) > 0
        chosen = chosen.where(has_history[chosen.user])
        users = factors.fold_in_users(history, movies, dataset.user_count)
        known = seen_mask(history, dataset) | seen_mask(chosen, dataset)
        parts.append((users[chosen.user], chosen.movie, known[chosen.user]))
    return _Examples(*(np.concatenate(arrays) for arrays in zip(*parts)))


def _genre_map(history: Ratings, users: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Ridge regression from user vectors to the genres that each user turns to more than others."""
    weight = 0.5 ** (ages(history) / TASTE_HALF_LIFE_RATINGS)
    shares = dataset.genres / dataset.genres.sum(axis=1, keepdims=True)
    profile = np.zeros((dataset.user_count, len(GENRES)))
    np.add.at(profile, history.user, weight[:, None] * shares[history.movie])
    total = np.bincount(history.user, weights=weight, minlength=dataset.user_count)
    profile /= np.maximum(total, 1e-9)[:, None]
    profile[total > 0] -= profile[total > 0].mean(axis=0)
    return np.linalg.solve(users.T @ users + np.eye(factors.WIDTH), users.T @ profile)


def _train(
    examples: _Examples,
    dataset: Dataset,
    movies: np.ndarray,
    movie_stats: MovieFeatures,
    genre_map: np.ndarray,
    seed: int,
) -> Weights:
    """Adam with decoupled weight decay and a falling learning rate."""
    generator = np.random.default_rng(seed)
    popularity = movie_stats.popularity
    likelihood = 0.5 / len(popularity) + 0.5 * popularity / popularity.sum()

    def rows(user_vectors: np.ndarray, picked: np.ndarray) -> np.ndarray:
        return features(
            genre_map, user_vectors, movies[picked], dataset.genres[picked], popularity[picked]
        )

    sample = generator.integers(0, len(examples.movie), 3000)
    drawn = generator.choice(len(likelihood), size=len(sample), p=likelihood)
    sampled = rows(examples.user_vectors[sample], drawn)
    scale = 1.0 / (sampled.std(axis=0) + 1e-3)
    scale[: factors.WIDTH] = 1.0 / sampled[:, : factors.WIDTH].std()

    parameters = [
        generator.normal(0.0, FEATURES**-0.5, (FEATURES, HIDDEN)),
        np.zeros(HIDDEN),
        generator.normal(0.0, 0.05, HIDDEN),
        np.zeros(FEATURES),
    ]
    parameters[3][DOT_FEATURE] = 1.0  # Start from the collaborative ranking.
    first = [np.zeros_like(parameter) for parameter in parameters]
    second = [np.zeros_like(parameter) for parameter in parameters]
    step = 0
    for epoch in range(EPOCHS):
        rate = LEARNING_RATE * (1.0 - epoch / EPOCHS)
        order = generator.permutation(len(examples.movie))
        for begin in range(0, len(order), BATCH):
            batch = order[begin : begin + BATCH]
            negatives = generator.choice(
                len(likelihood), size=(len(batch), NEGATIVES), p=likelihood
            )
            picked = np.concatenate([examples.movie[batch][:, None], negatives], axis=1)
            x = rows(examples.user_vectors[batch][:, None], picked) * scale
            known = examples.known[batch[:, None], negatives]
            gradients = _pairwise_gradients(parameters, x, known)
            step += 1
            for index, gradient in enumerate(gradients):
                first[index] = 0.9 * first[index] + 0.1 * gradient
                second[index] = 0.999 * second[index] + 0.001 * gradient**2
                move = (first[index] / (1 - 0.9**step)) / (
                    np.sqrt(second[index] / (1 - 0.999**step)) + 1e-8
                )
                parameters[index] -= rate * (move + WEIGHT_DECAY * parameters[index])
    hidden, hidden_bias, output, direct = parameters
    x = sampled * scale
    plain = np.maximum(x @ hidden + hidden_bias, 0.0) @ output + x @ direct
    # Mean 0 and deviation 1 over sampled pairs: the ranking is the same, the numbers are readable.
    spread = plain.std()
    return Weights(
        genre_map, scale, hidden, hidden_bias, output / spread, direct / spread,
        float(-plain.mean() / spread),
    )  # fmt: skip


def _pairwise_gradients(
    parameters: list[np.ndarray], x: np.ndarray, known: np.ndarray
) -> list[np.ndarray]:
    """Gradients of mean log(1 + exp(negative - positive)); column 0 of `x` is the positive.

    Negatives that are `known` (the user rated them) count nothing.
    """
    hidden, hidden_bias, output, direct = parameters
    sums = x @ hidden + hidden_bias
    active = np.maximum(sums, 0.0)
    score = active @ output + x @ direct
    pull = 1.0 / (1.0 + np.exp(np.clip(score[:, :1] - score[:, 1:], -50.0, 50.0)))
    pull[known] = 0.0
    by_score = np.concatenate([-pull.sum(axis=1, keepdims=True), pull], axis=1) / pull.size
    by_sum = by_score[..., None] * output * (sums > 0)
    flat_x = x.reshape(-1, x.shape[-1])
    flat_score = by_score.ravel()
    return [
        flat_x.T @ by_sum.reshape(-1, by_sum.shape[-1]),
        by_sum.sum(axis=(0, 1)),
        active.reshape(-1, active.shape[-1]).T @ flat_score,
        flat_x.T @ flat_score,
    ]
