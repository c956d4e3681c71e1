/* XXH3-64, from the specification of xxHash (https://xxhash.com). */

#include "core.h"

static const unsigned char SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde,
    0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79,
    0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46,
    0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb,
    0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2,
    0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c,
    0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59,
    0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
    0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16,
    0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1,
    0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b,
    0x40, 0x7e,
};
static const uint64_t P1 = 0x9E3779B185EBCA87ULL, P2 = 0xC2B2AE3D27D4EB4FULL, P3 = 0x165667B19E3779F9ULL;

static inline uint32_t
read32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static inline uint64_t
rotated(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static inline uint32_t
swapped32(uint32_t value)
{
    return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

static inline uint64_t
swapped64(uint64_t value)
{
    return (uint64_t)swapped32((uint32_t)value) << 32 | swapped32((uint32_t)(value >> 32));
}

/* Both halves of the product of 128 bits, by exclusive or. */
static inline uint64_t
folded(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32), middle = a0 * b1 + (uint32_t)cross;
    return (middle << 32 | (uint32_t)low) ^ (a1 * b1 + (cross >> 32) + (middle >> 32));
#endif
}

static inline uint64_t
avalanche(uint64_t hash)
{
    hash ^= hash >> 37;
    hash *= 0x165667919E3779F9ULL;
    return hash ^ hash >> 32;
}

static inline uint64_t
avalanche64(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= P2;
    hash ^= hash >> 29;
    hash *= P3;
    return hash ^ hash >> 32;
}

static inline uint64_t
mixed16(const unsigned char *data, int secret, uint64_t seed)
{
    return folded(read64(data) ^ (read64(SECRET + secret) + seed), read64(data + 8) ^ (read64(SECRET + secret + 8) - seed));
}

static inline uint64_t
hash_to_16(const unsigned char *data, size_t size, uint64_t seed)
{
    if (size > 8) {
        uint64_t low = read64(data) ^ ((read64(SECRET + 24) ^ read64(SECRET + 32)) + seed);
        uint64_t high = read64(data + size - 8) ^ ((read64(SECRET + 40) ^ read64(SECRET + 48)) - seed);
        return avalanche(size + swapped64(low) + high + folded(low, high));
    }
    if (size >= 4) {
        seed ^= (uint64_t)swapped32((uint32_t)seed) << 32;
        uint64_t value = read32(data + size - 4) + ((uint64_t)read32(data) << 32);
        uint64_t hash = value ^ ((read64(SECRET + 8) ^ read64(SECRET + 16)) - seed);
        hash ^= rotated(hash, 49) ^ rotated(hash, 24);
        hash *= 0x9FB21C651E98DF25ULL;
        hash ^= (hash >> 35) + size;
        hash *= 0x9FB21C651E98DF25ULL;
        return hash ^ hash >> 28;
    }
    if (size) {
        uint32_t bytes = (uint32_t)data[0] << 16 | (uint32_t)data[size >> 1] << 24 | data[size - 1] | (uint32_t)size << 8;
        return avalanche64(bytes ^ ((uint64_t)(read32(SECRET) ^ read32(SECRET + 4)) + seed));
    }
    return avalanche64(seed ^ read64(SECRET + 56) ^ read64(SECRET + 64));
}

uint64_t
short_hash(const unsigned char *data, size_t size, uint64_t seed)
{
    if (size <= 16)
        return hash_to_16(data, size, seed);
    uint64_t hash = size * P1;
    if (size <= 128) {
        for (int i = (int)(size - 1) / 32; i >= 0; i--) {
            hash += mixed16(data + 16 * i, 32 * i, seed);
            hash += mixed16(data + size - 16 * (i + 1), 32 * i + 16, seed);
        }
        return avalanche(hash);
    }
    for (int i = 0; i < 8; i++)
        hash += mixed16(data + 16 * i, 16 * i, seed);
    hash = avalanche(hash);
    for (int i = 8; i < (int)size / 16; i++)
        hash += mixed16(data + 16 * i, 16 * (i - 8) + 3, seed);
    return avalanche(hash + mixed16(data + size - 16, 136 - 17, seed));
}

/* -- more than 240 bytes ------------------------------------------------------------------------------------------------ */

enum { STRIPE = 64, STRIPES = 16, LANES = 8, LAST = 121 }; /* bytes, stripes a block, numbers a stripe, of the secret */

/* Add `count` stripes to the sums, each with the secret eight bytes further on. */
WIDEST static void
add_stripes(uint64_t *sums, const unsigned char *data, const unsigned char *secret, size_t count)
{
    uint64_t all[LANES];
    memcpy(all, sums, sizeof all);
    for (; count > 0; count--, data += STRIPE, secret += 8) {
        uint64_t values[LANES], keys[LANES];
        memcpy(values, data, STRIPE);
        memcpy(keys, secret, STRIPE);
        for (int i = 0; i < LANES; i++) {
            uint64_t mixed = values[i] ^ keys[i];
            all[i] += values[i ^ 1] + (mixed & 0xFFFFFFFF) * (mixed >> 32);
        }
    }
    memcpy(sums, all, sizeof all);
}

static void
scramble(uint64_t *sums)
{
    for (int i = 0; i < LANES; i++)
        sums[i] = (sums[i] ^ sums[i] >> 47 ^ read64(SECRET + sizeof SECRET - STRIPE + 8 * i)) * 0x9E3779B1;
}

uint64_t
checksum_of(const unsigned char *data, size_t size)
{
    if (size <= SHORT)
        return short_hash(data, size, 0);
    uint64_t sums[LANES] = {
        0xC2B2AE3D, P1, P2, P3, 0x85EBCA77C2B2AE63ULL, 0x85EBCA77, 0x27D4EB2F165667C5ULL, 0x9E3779B1,
    };
    size_t done = 0;
    for (; size - done > STRIPES * STRIPE; done += STRIPES * STRIPE) {
        add_stripes(sums, data + done, SECRET, STRIPES);
        scramble(sums);
    }
    add_stripes(sums, data + done, SECRET, (size - done - 1) / STRIPE);
    add_stripes(sums, data + size - STRIPE, SECRET + LAST, 1);
    uint64_t hash = size * P1;
    for (int i = 0; i < LANES; i += 2)
        hash += folded(sums[i] ^ read64(SECRET + 11 + 8 * i), sums[i + 1] ^ read64(SECRET + 11 + 8 * (i + 1)));
    return avalanche(hash);
}
