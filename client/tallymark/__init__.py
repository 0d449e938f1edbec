"""What a training job installs, and what anybody verifies with: standard library only."""

__version__ = "0.1.0"
