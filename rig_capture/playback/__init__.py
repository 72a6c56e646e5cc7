"""A session as the rig saw it: everything in it, bag, pictures and sound, in the order of its stamps, at the pace of a clock.

Files are read a little ahead and given back as what was published; nothing here knows ROS.
"""
