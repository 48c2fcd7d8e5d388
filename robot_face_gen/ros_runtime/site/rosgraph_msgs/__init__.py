"""Interfaces of rosgraph_msgs, from their definitions."""
