"""Interfaces of robot_face_gen_msgs, from their definitions."""
