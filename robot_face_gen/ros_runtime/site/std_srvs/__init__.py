"""Interfaces of std_srvs, from their definitions."""
