"""Interfaces of sensor_msgs, from their definitions."""
