"""Puts this folder on the path of imports, for samples that several tests share."""
