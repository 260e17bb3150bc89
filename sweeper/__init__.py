"""sweeper: distributed hyperparameter sweeps for Keras and TensorFlow on Ray Tune."""

__version__ = "0.1.0"
