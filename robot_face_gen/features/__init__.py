"""What is known of the speaker: OpenFace frames, Whisper embeddings, the shared 25 Hz timeline."""
