"""The learned ranker: a small multilayer perceptron over collaborative and content features.

All features are computed from the four inputs, here for training and in the same way inside the ONNX
graph (see onnx_export.py):

    product   user_vec * movie_vec, element by element      64
    taste     (user_vec . genre_map) * genres                20
    genres                                                   20
    dot       sum(product)                                    1
    affinity  sum(taste)                                      1
    popularity                                                1

It is trained on what users rated next, given their history up to then: a positive against sampled
movies that the user had not rated, by the multinomial form of the logistic loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import factors
from dataset import GENRES, Dataset, MovieFeatures, Ratings, ages, movie_features

FEATURES = factors.WIDTH + 2 * len(GENRES) + 3
HIDDEN = 32

# Training: chosen on the inner split, as the constants of factors.py.
CUT_STEP = 5
CUTS = 2
EPOCHS = 30
NEGATIVES = 200
BATCH = 64
LEARNING_RATE = 0.002
DECAY = 1e-4


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
    genre_map = _genre_map(early, early_movies, dataset)
    weights = _train(train, dataset, early_movies, early_features, genre_map, seed)

    features = movie_features(train, dataset.movie_count)
    movies = factors.factorise(
        train, dataset.user_count, dataset.movie_count, seed, start=start, sweeps=2
    )
    users = factors.fold_in_users(train, movies, dataset.user_count)
    movies = factors.fill_from_genres(movies, features.rating_count, dataset.genres)
    return Fitted(users, movies, features, weights)


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
