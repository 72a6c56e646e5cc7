"""Sessions as Python objects, for a user's own scripts: streams as iterators, pictures and sound as arrays; nothing here needs ROS.

Files are opened only while something is read from them, and only what is asked for is kept in memory.
"""
