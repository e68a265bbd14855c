"""Iconotext pre-trains, compares, fine-tunes, distils and serves multimodal BERTs."""

__version__ = "0.1.0"
