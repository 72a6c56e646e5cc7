"""The settings of each kind of node.

Every model here is flat: a field is a ROS parameter of the node of the same name, with the field's description, range and
default (`nodes/common/parameters.py`). A field with ``live=True`` may be changed while the node runs; all others are read-only.
Numbers are in SI units unless the name says otherwise. Empty text or zero means "not set", since ROS parameters have no null.
"""
