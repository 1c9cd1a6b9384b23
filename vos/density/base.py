"""What all Gaussian densities share: class means, readiness, and everything that needs only a square root `L` of Σ."""

from __future__ import annotations

import copy
import inspect
import logging
import math
import os
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from vos.density.checks import check_fit_data, check_width, shown
from vos.density.io import read_density, write_density
from vos.density.radii import CalibratedRadii
from vos.errors import ConfigError, NotFittedError, RunError

logger = logging.getLogger(__name__)


class GaussianDensity(CalibratedRadii):
    """`h | class c ~ N(μ_c, Σ_c)` with `Σ_c = L_c L_cᵀ`; a subclass defines how `L` is estimated, stored and applied.

    A class is ready once it has at least two texts. With one covariance per class, its texts must differ; with a shared
    covariance, it is enough that the texts of some class differ. Classes that are not ready are left out and named in
    the log. Everything is computed and stored in float64, whatever the dtype of the features.

    Attributes:
        n_classes: C.
        n_features: d.
        tied: one covariance for all classes.
        means: (C, d) float64; zeros for classes that are not ready.
        counts: (C,) int64, number of texts of each class in the last fit.
        ready: (C,) bool, classes that can be sampled and used for distances.
        jitter: () float64, the value added to the diagonal of the covariance, the largest over classes.
    """

    counts: Tensor
    ready: Tensor
    jitter: Tensor
    _left_out: tuple[int, ...] = ()

    def __init__(self, n_classes: int, n_features: int, tied: bool) -> None:
        super().__init__()
        if n_classes < 1 or n_features < 1:
            raise ConfigError(f"expected at least one class and one feature, got {n_classes} and {n_features}")
        self.n_classes = n_classes
        self.n_features = n_features
        self.tied = tied
        self.register_buffer("means", torch.zeros(n_classes, n_features, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(n_classes, dtype=torch.int64))
        self.register_buffer("ready", torch.zeros(n_classes, dtype=torch.bool))
        self.register_buffer("jitter", torch.zeros((), dtype=torch.float64))

    @abstractmethod
    def _fit_factor(self, centered: Tensor, labels: Tensor, ready: Tensor) -> None:
        """Estimate `L` and `jitter` from rows (n, d) centred on their class means, labels (n,) and ready (C,)."""

    @abstractmethod
    def log_determinant(self) -> Tensor:
        """`log |Σ|`: () float64 when tied, else (C,)."""

    @abstractmethod
    def mean_variance(self) -> Tensor:
        """`trace(Σ) / d`, the variance of a feature within a class: () float64 when tied, else (C,)."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Arguments of the constructor, as JSON-serialisable values."""

    def extra_repr(self) -> str:
        """Settings, for `print(module)`."""
        return ", ".join(f"{name}={value}" for name, value in self.settings().items())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write buffers and settings as safetensors with JSON metadata; the same density gives the same bytes."""
        write_density(Path(path), dict(self.named_buffers()), {"kind": type(self).__name__, **self.settings()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a density that `save` wrote, onto the CPU, as the class that wrote it: this class or a subclass.

        Raises:
            RunError: there is no such file, or it is not a density of this version and kind.
        """
        tensors, settings = read_density(Path(path))
        kind = settings.pop("kind")
        kinds = {each.__name__: each for each in (cls, *cls.__subclasses__()) if not inspect.isabstract(each)}
        if kind not in kinds:
            raise RunError(f"{path}: expected a density of kind {' or '.join(kinds)}, found {kind}")
        try:
            density = kinds[kind](**settings)
            density.load_state_dict(tensors)
        except (TypeError, ValueError, RuntimeError) as error:
            raise RunError(f"{path}: expected the buffers and settings of a {kind}: {error}") from error
        return density

    @property
    def is_fitted(self) -> bool:
        """True when at least one class is ready."""
        return bool(self.ready.any())

    @torch.no_grad()
    def fit(self, features: Tensor, labels: Tensor) -> Self:
        """Fit means and covariance in place; if this fails, the former fit is unchanged.

        Args:
            features: (n, d) floats of any dtype.
            labels: (n,) int64 in [0, C).

        Returns:
            self.

        Raises:
            ShapeError: shapes or dtypes are not these.
            DataError: a label outside [0, C) (OOD rows among them), or a feature that is NaN or infinite.
            NotFittedError: no class has two different texts.
        """
        check_fit_data(features, labels, self.n_classes, self.n_features)
        features, labels = features.to(self.means), labels.to(self.means.device)
        counts = torch.bincount(labels, minlength=self.n_classes)
        means, centered = torch.zeros_like(self.means), torch.zeros_like(features)
        for c in counts.nonzero()[:, 0].tolist():
            rows = labels == c
            means[c] = features[rows].mean(0)
            centered[rows] = features[rows] - means[c]
        # Identical texts differ from their mean only by rounding error, which does not count as variance.
        rounding = 16 * torch.finfo(centered.dtype).eps * features.abs().amax(0)
        centered[centered.abs() <= rounding] = 0.0
        varied = torch.zeros_like(self.ready)
        varied[labels[(centered != 0.0).any(-1)]] = True
        ready = self._who_is_ready(counts, varied)
        self._fit_factor(centered, labels, ready)
        self._adopt(means, counts, ready)
        self._measure_scale(features, labels)
        return self

    def mahalanobis(self, h: Tensor) -> Tensor:
        """Squared Mahalanobis distance of features (n, d) to every class: (n, C) float64, +inf for classes not ready.

        Raises:
            ShapeError: `h` is not (n, d).
            NotFittedError: no class is ready.
        """
        check_width(h, self.n_features)
        self._require_fit()
        h = h.to(self.means)
        squared = h.new_full((h.shape[0], self.n_classes), math.inf)
        ready = self.ready.nonzero()[:, 0]
        if self.tied:
            # Whitened once for all classes. Centring first, and a cdist without the matrix-product shortcut, avoid
            # cancellation in the differences.
            center = self.means[ready].mean(0)
            points, means = self._solve(h - center, 0), self._solve(self.means[ready] - center, 0)
            squared[:, ready] = torch.cdist(points, means, compute_mode="donot_use_mm_for_euclid_dist").square()
        else:
            for c in ready.tolist():
                squared[:, c] = self._solve(h - self.means[c], c).square().sum(-1)
        return squared

    def log_prob(self, h: Tensor) -> Tensor:
        """Log-density (nats) of features (n, d) in every class: (n, C) float64, -inf for classes not ready.

        Raises as `mahalanobis` does.
        """
        normalizer = self.log_determinant() + self.n_features * math.log(2.0 * math.pi)
        return -0.5 * (self.mahalanobis(h) + normalizer)

    def within_class_covariance(self) -> Tensor:
        """`Σ` (d, d) float64; with one covariance per class, the mean over ready classes weighted by their texts.

        Built from `L`, so it includes the jitter. At d = 4,096 it takes 134 MB. Raises as `sample` does.
        """
        self._require_fit()
        identity = torch.eye(self.n_features).to(self.means)
        if self.tied:
            root = self._apply_factor(identity, 0)  # rows of Lᵀ
            return root.mT @ root
        shares = self.counts * self.ready / (self.counts * self.ready).sum()
        covariance = torch.zeros_like(identity)
        for c in self.ready.nonzero()[:, 0].tolist():
            root = self._apply_factor(identity, c)
            covariance += shares[c] * (root.mT @ root)
        return covariance

    @torch.no_grad()
    def sample(self, n_per_class: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `n_per_class` points from every ready class, in class order; raises as `ready_labels` does.

        Returns:
            features (m, d) float64 and labels (m,) int64, on the density's device.
        """
        labels = self.ready_labels(n_per_class)
        z = torch.randn(len(labels), self.n_features, dtype=torch.float64, device=generator.device, generator=generator)
        return self.color(z, labels), labels

    def ready_labels(self, n_per_class: int) -> Tensor:
        """Labels (m,) int64 of `n_per_class` draws from every ready class, in class order; see `without`.

        Raises:
            ConfigError: `n_per_class` below one.
            NotFittedError: no class is ready, or all ready classes have been left out.
        """
        if n_per_class < 1:
            raise ConfigError(f"expected at least one draw a class, got n_per_class={n_per_class}")
        self._require_fit()
        classes = [c for c in self.ready.nonzero()[:, 0].tolist() if c not in self._left_out]
        if not classes:
            raise NotFittedError(f"expected a class to draw from, all that are ready are left out: {self._left_out}")
        return torch.tensor(classes, device=self.ready.device).repeat_interleave(n_per_class)

    def without(self, classes: Iterable[int]) -> Self:
        """A view of this density, sharing its buffers, that draws no points from these classes.

        They stay ready: distances to them and boundaries with them still count. Classes that this density already
        leaves out stay left out.
        """
        view = copy.copy(self)
        view._left_out = tuple(sorted({*self._left_out, *classes}))
        return view

    def _who_is_ready(self, counts: Tensor, varied: Tensor) -> Tensor:
        """Classes (C,) that can be fitted, given their text counts and whether the texts differ; logs the others.

        They are logged only when their set changes, because training refits every few steps.
        """
        # A class of identical texts can be fitted with a shared covariance, but not with one of its own.
        ready = (counts >= 2) & (varied.any() if self.tied else varied)
        if not ready.any():
            found = shown([f"class {c}: {n}" for c, n in enumerate(counts.tolist())])
            raise NotFittedError(f"expected a class with at least 2 different texts, found texts of {found}")
        left_out = (~ready).nonzero()[:, 0].tolist()
        if left_out and not torch.equal(ready, self.ready):
            names = shown([f"class {c} ({counts[c]} texts)" for c in left_out])
            logger.warning("left out of the density, as they lack two different texts: %s", names)
        return ready

    def _adopt(self, means: Tensor, counts: Tensor, ready: Tensor) -> None:
        self.means.copy_(means * ready[:, None])
        self.counts.copy_(counts)
        self.ready.copy_(ready)

    def _require_fit(self) -> None:
        if not self.is_fitted:
            raise NotFittedError("the density has no ready class: call fit(features, labels) first")
