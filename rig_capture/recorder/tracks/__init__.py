"""Video packets and sound of one stream in Matroska chunks."""
