"""Services of std_srvs; the classes are made when they are first used."""

from robot_face_gen.ros_runtime.messages import populate

populate(__name__)
