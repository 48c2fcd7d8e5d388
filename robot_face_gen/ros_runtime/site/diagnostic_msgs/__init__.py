"""Interfaces of diagnostic_msgs, from their definitions."""
