"""A robot that listens with its face: from a speaker's face and voice to a listener's reaction, 25 times a second."""

__version__ = '0.1.0'
