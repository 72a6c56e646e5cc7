"""Sessions for other people's tools: tables, sound files, films, datasets; everything is read through `rig_capture.reading`.

What is written appears under its name only when it is whole, and nothing that is there is overwritten.
"""
