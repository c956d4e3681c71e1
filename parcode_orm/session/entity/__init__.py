"""Entities: the objects of classes with a `Key`, stored as the rows of one table a class."""
