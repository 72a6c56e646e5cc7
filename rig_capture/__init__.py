"""rig_capture: capture of multimodal data with rigs of cameras, microphones, IMUs and small computers."""

__version__ = "0.1.0"
