"""Interfaces of rmw_dds_common, from their definitions."""
