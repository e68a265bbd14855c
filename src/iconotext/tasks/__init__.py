"""Downstream tasks: each turns its examples into groups of pairs, and says its head, loss and metric."""
