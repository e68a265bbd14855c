"""What the tasks are measured by: the official metrics, and how sure a figure is."""
