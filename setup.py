"""Builds the Cython extension; everything else about the distribution is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCES = sorted(Path("core_ext").glob("*.pyx"))

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"core_ext.{path.stem}",
                [str(path)],
                extra_compile_args=["-O3", "-fno-strict-aliasing"],
            )
            for path in SOURCES
        ],
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "embedsignature": True,
            "cdivision": True,
        },
    )
)
