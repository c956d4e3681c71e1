"""What a user holds while reading: lazy models, lists and maps."""
