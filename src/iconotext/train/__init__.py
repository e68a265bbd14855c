"""Optimiser steps over batches of anything: it knows no model, no task and no data set."""
