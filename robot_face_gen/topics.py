# SPDX-License-Identifier: Apache-2.0
"""Topics of the graph (relative names) and their types."""

PICTURES = ('IMAGE_TOPIC', 'sensor_msgs/msg/Image')
CAMERA_INFO = ('camera_info', 'sensor_msgs/msg/CameraInfo')
FACE = ('openface/features', 'robot_face_gen_msgs/msg/FaceFeatures')
AUDIO = ('audio', 'robot_face_gen_msgs/msg/AudioChunk')
EMBEDDING = ('whisper/embedding', 'robot_face_gen_msgs/msg/AudioEmbedding')
REACTION_TOPIC = ('robot_face/reaction', 'robot_face_gen_msgs/msg/FaceReaction')
STOP_TOPIC = ('robot_face/stop', 'std_msgs/msg/Bool')
