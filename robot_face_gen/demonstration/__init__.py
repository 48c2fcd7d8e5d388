"""The demo: runs the real graph on a recording, and shows what it did."""
