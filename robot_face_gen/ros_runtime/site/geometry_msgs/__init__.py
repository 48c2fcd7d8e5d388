"""Interfaces of geometry_msgs, from their definitions."""
