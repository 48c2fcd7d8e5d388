"""Interfaces of rcl_interfaces, from their definitions."""
