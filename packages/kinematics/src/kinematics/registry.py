"""Laws of one family by the word that a galaxy file chooses them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from jax.typing import ArrayLike

__all__ = ["Params", "Registry", "import_laws"]

Params = Mapping[str, ArrayLike]
"""Parameters of a galaxy by name; names end in the unit."""


class Registry[T](Mapping[str, T]):
    """Builders of one family's laws by kind; a module registers its own where it defines the law."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._builders: dict[str, T] = {}

    def register(self, kind: str) -> Callable[[T], T]:
        """Return a decorator that makes a builder known under `kind`.

        Raises:
            ValueError: there is one of this kind already.

        """

        def keep(builder: T) -> T:
            if kind in self._builders:
                raise ValueError(f"two laws of the family '{self.family}' are of kind '{kind}'")
            self._builders[kind] = builder
            return builder

        return keep

    def __getitem__(self, kind: str) -> T:
        """Builder of a kind.

        Raises:
            ValueError: no law of this kind; the message lists the known ones.

        """
        if kind not in self._builders:
            known = ", ".join(sorted(self._builders))
            raise ValueError(f"no {self.family} of kind '{kind}' is known; there are {known}")
        return self._builders[kind]

    def __iter__(self) -> Iterator[str]:
        """Kinds, in the order of their registration."""
        return iter(self._builders)

    def __len__(self) -> int:
        """Count of kinds."""
        return len(self._builders)


def import_laws(package: str, path: list[str]) -> None:
    """Import every module in a package's folder, so that each registers its laws: a new one is a new file."""
    for module in iter_modules(path):
        import_module(f"{package}.{module.name}")
