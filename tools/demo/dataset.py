"""Reads MovieLens, holds out each user's last ratings and derives plain (not learned) features.

Everything downstream sees two disjoint sets of ratings: `train` and `holdout`. Features,
embeddings, candidates and models are made from `train` alone; only the metrics read `holdout`. Tags
are not used at all: some were written after their user's cut, and genres carry the content signal well enough.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# The order is part of the model's contract: genre i is element i of the vector.
GENRES = (
    "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "IMAX", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western", "(no genres listed)",
)  # fmt: skip

# Each user's last this many ratings are held out.
HELD_OUT_PER_USER = 5

# A held-out movie counts as liked from this rating on.
LIKED_FROM = 4.0

# The event time of a movie that has no training rating: 1996-01-01T00:00:00Z, which lies before
# the first rating of the data set (1996-03-29), so any later import of a real time wins over it.
UNRATED_UPDATED_AT_MS = 820_454_400_000


@dataclass(frozen=True)
class Ratings:
    """Ratings as parallel arrays; `user` and `movie` are row numbers, not ids."""

    user: np.ndarray
    movie: np.ndarray
    value: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def where(self, mask: np.ndarray) -> Ratings:
        """Returns the ratings that a boolean mask or an index array picks."""
        return Ratings(self.user[mask], self.movie[mask], self.value[mask], self.seconds[mask])


@dataclass(frozen=True)
class Dataset:
    """Movies and users in the order of their ids, and all ratings."""

    movie_ids: np.ndarray
    titles: list[str]
    genres: np.ndarray
    user_ids: np.ndarray
    ratings: Ratings

    @property
    def movie_count(self) -> int:
        return len(self.movie_ids)

    @property
    def user_count(self) -> int:
        return len(self.user_ids)


@dataclass(frozen=True)
class MovieFeatures:
    """What training ratings say about each movie, row by row."""

    rating_count: np.ndarray
    mean_rating: np.ndarray
    popularity: np.ndarray
    updated_at_ms: np.ndarray


@dataclass(frozen=True)
class UserFeatures:
    """What training ratings say about each user, row by row."""

    rating_count: np.ndarray
    mean_rating: np.ndarray
    updated_at_ms: np.ndarray


def load(folder: Path) -> Dataset:
    """Reads movies.csv and ratings.csv of a MovieLens "latest" folder."""
    with open(folder / "movies.csv", encoding="utf-8", newline="") as file:
        movies = sorted(
            (int(row["movieId"]), row["title"], row["genres"]) for row in csv.DictReader(file)
        )
    with open(folder / "ratings.csv", encoding="utf-8", newline="") as file:
        rows = [
            (int(r["userId"]), int(r["movieId"]), float(r["rating"]), int(r["timestamp"]))
            for r in csv.DictReader(file)
        ]
    movie_ids = np.array([movie[0] for movie in movies], dtype=np.int64)
    raw_users = np.array([row[0] for row in rows], dtype=np.int64)
    raw_movies = np.array([row[1] for row in rows], dtype=np.int64)
    unknown = np.setdiff1d(raw_movies, movie_ids)
    if len(unknown):
        raise ValueError(
            f"ratings.csv rates {len(unknown)} movies that movies.csv lacks: {unknown[:5]}"
        )
    user_ids = np.unique(raw_users)
    ratings = Ratings(
        user=np.searchsorted(user_ids, raw_users),
        movie=np.searchsorted(movie_ids, raw_movies),
        value=np.array([row[2] for row in rows], dtype=np.float64),
        seconds=np.array([row[3] for row in rows], dtype=np.int64),
    )
    return Dataset(
        movie_ids=movie_ids,
        titles=[movie[1] for movie in movies],
        genres=np.stack([genre_vector(movie[2]) for movie in movies]),
        user_ids=user_ids,
        ratings=ratings,
    )


def genre_vector(names: str) -> np.ndarray:
    """Turns `Comedy|Drama` into 20 floats, 1 where the genre applies."""
    vector = np.zeros(len(GENRES), dtype=np.float32)
    for name in names.split("|"):
        if name not in GENRES:
            raise ValueError(f"unknown genre {name!r}; known are {', '.join(GENRES)}")
        vector[GENRES.index(name)] = 1.0
    return vector


def split_last(ratings: Ratings, count: int) -> tuple[Ratings, Ratings]:
    """Splits off each user's last `count` ratings by time, ties by movie; returns (earlier, last).

    A user with `count` ratings or fewer keeps none of them in the earlier part. Movie rows are in
    the order of movie ids, so a tie by row is a tie by id. Both parts are ordered by user, time.
    """
    ordered = ratings.where(np.lexsort((ratings.movie, ratings.seconds, ratings.user)))
    last = ages(ordered) < count
    return ordered.where(~last), ordered.where(last)


def ages(ordered: Ratings) -> np.ndarray:
    """Returns how many later ratings by the same user follow each one (0 = that user's last).

    `ordered` is ordered by user, then time, as `split_last` returns it.
    """
    _, starts, counts = np.unique(ordered.user, return_index=True, return_counts=True)
    ends = np.repeat(starts + counts, counts)
    return ends - 1 - np.arange(len(ordered))


def movie_features(train: Ratings, movie_count: int) -> MovieFeatures:
    """Counts, means and times per movie, from training ratings only.

    popularity = ln(1 + count) / ln(1 + greatest count), in 0...1. A movie that nobody rated has the
    mean of all training ratings as its mean rating.
    """
    counts = np.bincount(train.movie, minlength=movie_count)
    sums = np.bincount(train.movie, weights=train.value, minlength=movie_count)
    overall = train.value.mean()
    latest = np.zeros(movie_count, dtype=np.int64)
    np.maximum.at(latest, train.movie, train.seconds)
    return MovieFeatures(
        rating_count=counts,
        mean_rating=np.where(counts > 0, sums / np.maximum(counts, 1), overall),
        popularity=np.log1p(counts) / np.log1p(max(counts.max(), 1)),
        updated_at_ms=np.where(counts > 0, latest * 1000, UNRATED_UPDATED_AT_MS),
    )


def user_features(train: Ratings, user_count: int) -> UserFeatures:
    """Counts, means and times per user, from training ratings only."""
    counts = np.bincount(train.user, minlength=user_count)
    sums = np.bincount(train.user, weights=train.value, minlength=user_count)
    latest = np.zeros(user_count, dtype=np.int64)
    np.maximum.at(latest, train.user, train.seconds)
    return UserFeatures(
        rating_count=counts,
        mean_rating=np.where(counts > 0, sums / np.maximum(counts, 1), train.value.mean()),
        updated_at_ms=np.where(counts > 0, latest * 1000, UNRATED_UPDATED_AT_MS),
    )


def popular_unseen(train: Ratings, dataset: Dataset, limit: int) -> list[np.ndarray]:
    """Per user, the `limit` movies rated most often in training that this user has not rated there.

    Ties go to the lower movie id. The held-out ratings play no part, so a held-out movie is a
    candidate exactly when it is popular enough.
    """
    counts = np.bincount(train.movie, minlength=dataset.movie_count)
    by_count = np.argsort(-counts, kind="stable")
    seen = seen_mask(train, dataset)
    return [by_count[~seen[user, by_count]][:limit] for user in range(dataset.user_count)]


def seen_mask(train: Ratings, dataset: Dataset) -> np.ndarray:
    """Returns a users x movies matrix that is true where the user rated the movie in training."""
    seen = np.zeros((dataset.user_count, dataset.movie_count), dtype=bool)
    seen[train.user, train.movie] = True
    return seen
