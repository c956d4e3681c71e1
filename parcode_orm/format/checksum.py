"""XXH3, the one checksum of the format (https://xxhash.com, XXH3-64 and XXH3-128)."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest, xxh3_128, xxh3_128_digest, xxh3_128_hexdigest

checksum = xxh3_64_intdigest
fingerprint = xxh3_128_hexdigest
wide_checksum = xxh3_128_digest
WideChecksum = xxh3_128

__all__ = ["WideChecksum", "checksum", "fingerprint", "wide_checksum"]
