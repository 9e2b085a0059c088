"""Where the weights come from that a training starts with, and the files that keep them."""
