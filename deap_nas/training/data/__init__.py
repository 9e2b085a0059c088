"""Images: where they come from, whether they are fit for use, and how they reach a device in batches."""
