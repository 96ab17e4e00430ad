"""Registry of laws: each family maps the keyword used in the galaxy file to a builder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from jax.typing import ArrayLike

__all__ = ["Params", "Registry", "import_laws"]

Params = Mapping[str, ArrayLike]
"""Parameters of a galaxy by name; each name ends in its unit."""


class Registry[T](Mapping[str, T]):
    """Builders of one family of laws by kind; each module registers the law that it defines."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._builders: dict[str, T] = {}

    def register(self, kind: str) -> Callable[[T], T]:
        """Return a decorator that registers a builder under `kind`.

        Raises:
            ValueError: a law of this kind is already registered.

        """

        def keep(builder: T) -> T:
            if kind in self._builders:
                raise ValueError(f"two laws of the family '{self.family}' are of kind '{kind}'")
            self._builders[kind] = builder
            return builder

        return keep

    def __getitem__(self, kind: str) -> T:
        """Return the builder registered under a kind.

        Raises:
            ValueError: no law of this kind is registered; the message lists the known kinds.

        """
        if kind not in self._builders:
            known = ", ".join(sorted(self._builders))
            raise ValueError(f"unknown {self.family} '{kind}'; choose one of {known}")
        return self._builders[kind]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the kinds in order of registration."""
        return iter(self._builders)

    def __len__(self) -> int:
        """Number of registered kinds."""
        return len(self._builders)


def import_laws(package: str, path: list[str]) -> None:
    """Import every module of a package so that each registers its laws: adding a law means adding a file."""
    for module in iter_modules(path):
        import_module(f"{package}.{module.name}")
