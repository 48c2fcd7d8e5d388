"""Interfaces of builtin_interfaces, from their definitions."""
