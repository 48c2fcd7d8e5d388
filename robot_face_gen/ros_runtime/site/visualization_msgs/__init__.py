"""Interfaces of visualization_msgs, from their definitions."""
