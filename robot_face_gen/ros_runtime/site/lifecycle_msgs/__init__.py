"""Interfaces of lifecycle_msgs, from their definitions."""
