"""A session in the making: streams in, bag and Matroska out, chunks, verification."""
