"""What can be told from recorded pictures: models over videos, their results as files, and analysis of them."""
