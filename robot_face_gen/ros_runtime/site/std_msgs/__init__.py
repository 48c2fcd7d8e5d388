"""Interfaces of std_msgs, from their definitions."""
