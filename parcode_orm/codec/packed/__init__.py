"""Single values of any type as MessagePack."""
