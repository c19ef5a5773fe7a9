"""Overlays on a classifier file that come with the package: smaller budgets, by name."""

from importlib.resources import files

from aufruf.errors import UsageError, nearest


def preset_names() -> list[str]:
    """Names of the overlays that come with the package."""
    return sorted(p.name.removesuffix(".toml") for p in files(__name__).iterdir() if p.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """The overlay called ``name``, as TOML. Raises UsageError naming the nearest one when there is none."""
    if name not in preset_names():
        raise UsageError(f"there is no preset {name!r}", next=nearest(name, preset_names()))
    return (files(__name__) / f"{name}.toml").read_text("utf-8")
